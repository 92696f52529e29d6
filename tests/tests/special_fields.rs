//! Which maps may have locks, timers, kptrs, lists and trees in their values: for every map of the objects that have any,
//! made as a map of every other type, the kernel is asked.

use std::collections::BTreeSet;

use bpfreplay_loader::Object;
use bpfreplay_program::{MapContent, MapSpec};
use bpfreplay_tests::Kernel;
use bpfreplay_tests::captures::root;
use bpfreplay_uapi::MapType;
use bpfreplay_uapi::map::create_flags;

const TYPES: [MapType; 6] = [
    MapType::Array,
    MapType::Hash,
    MapType::LruHash,
    MapType::PercpuArray,
    MapType::PercpuHash,
    MapType::LruPercpuHash,
];
const FLAGS: [u32; 2] = [0, create_flags::RDONLY_PROG];

#[test]
fn the_kernel_makes_the_same_maps_with_their_types() {
    let Some(kernel) = Kernel::or_skip("the kernel as a judge of fields in values") else { return };
    let (mut kinds, mut kept, mut dropped, mut differ) = (BTreeSet::new(), 0, 0, Vec::new());
    let folders = ["tests/objects/v4", "parsers/bpf/oracle"];
    for folder in folders {
        let mut files: Vec<_> = std::fs::read_dir(root().join(folder)).unwrap().flatten().collect();
        files.sort_by_key(std::fs::DirEntry::file_name);
        for file in files.iter().filter(|file| file.path().extension().is_some_and(|ext| ext == "o")) {
            let object = Object::parse(&std::fs::read(file.path()).unwrap()).unwrap();
            for spec in object.maps.iter().filter(|spec| !spec.special.is_empty() && spec.key_size == 4) {
                kinds.extend(spec.special.iter().map(|field| field.kind.name()));
                // As the loader mends them for the kernel.
                let btf = object.programs.first().and_then(|program| program.btf.as_ref()).expect("types");
                let types = kernel.load_btf(btf).expect("the kernel takes these types");
                for (map_type, map_flags) in TYPES.into_iter().flat_map(|ty| FLAGS.map(|flags| (ty, flags))) {
                    // Keys of a data section have no type, which only arrays bear.
                    let is_array = matches!(map_type, MapType::Array | MapType::PercpuArray);
                    if spec.btf_key_type_id == 0 && !is_array {
                        continue;
                    }
                    let spec =
                        MapSpec { map_type, map_flags, content: MapContent::Empty, ..MapSpec::clone(spec) };
                    let (ours, theirs) =
                        (!spec.fields().is_empty(), kernel.create_map(&spec, None, Some(&types)));
                    if ours {
                        kept += 1;
                    } else {
                        dropped += 1;
                    }
                    if ours != theirs.is_ok() {
                        let name = file.file_name().display().to_string();
                        let map = &spec.name;
                        differ
                            .push(format!("{name}: {map} as {map_type:?}, flags {map_flags:#x}: {theirs:?}"));
                    }
                }
            }
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    assert!(kept >= 20 && dropped >= 20, "{kept} with their types, {dropped} without");
    for kind in ["bpf_spin_lock", "kptr", "bpf_list_head", "bpf_rb_root"] {
        assert!(kinds.contains(kind), "no {kind} among {kinds:?}");
    }
}

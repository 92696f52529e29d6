//! Data sections as maps: one array entry that is the section (spec/helpers-maps 2.5).

use bpfreplay_btf::Btf;
use bpfreplay_program::{MapContent, MapSpec};
use bpfreplay_uapi::MapType;
use bpfreplay_uapi::map::create_flags;

use super::internal_name;
use crate::elf::{Section, SectionKind};
use crate::error::{LoadError, LoadErrorKind};

/// Bytes of one data section at most. Ours; it is memory that a few bytes of a broken file can ask for.
pub const DATA_SECTION_MAX: u64 = 64 << 20;

/// Whether a section is a global-data map.
pub(crate) fn is_data(section: &Section<'_>) -> bool {
    section.size > 0 && section.kind != SectionKind::Other && prefix_of(section.name).is_some()
}

fn prefix_of(name: &str) -> Option<&'static str> {
    [".rodata", ".data", ".bss"]
        .into_iter()
        .find(|prefix| name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// Relocations in it are not applied, as libbpf does not apply them (`elf_collect`): the bytes are those of the file.
pub(super) fn read(section: &Section<'_>, btf: Option<&Btf>, object: &str) -> Result<MapSpec, LoadError> {
    let too_large = || {
        let kind =
            LoadErrorKind::TooLarge { what: "data section", size: section.size, limit: DATA_SECTION_MAX };
        LoadError::at(section.name, 0, kind)
    };
    if section.size > DATA_SECTION_MAX {
        return Err(too_large());
    }
    let value_size = u32::try_from(section.size).map_err(|_| too_large())?;
    let mut bytes = section.data.to_vec();
    bytes.resize(value_size as usize, 0);

    let frozen = prefix_of(section.name) == Some(".rodata");
    let mut spec = MapSpec::new(&internal_name::of(object, section.name), MapType::Array, 4, value_size, 1);
    spec.map_flags = create_flags::MMAPABLE | if frozen { create_flags::RDONLY_PROG } else { 0 };
    spec.btf_value_type_id = btf.and_then(|btf| btf.datasec(section.name)).map_or(0, |(id, _)| id);
    spec.content = MapContent::Data { bytes, frozen };
    Ok(spec)
}

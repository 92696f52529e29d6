//! The committed parser objects load, and say what their sources say.

use std::path::{Path, PathBuf};

use bpfreplay_isa::decode_program;
use bpfreplay_loader::Object;
use bpfreplay_program::{ArgKind, MapContent};
use bpfreplay_uapi::{MapType, ProgType};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../parsers/bpf")
}

fn load(name: &str) -> Object {
    let path = folder().join(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Object::parse(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_object_loads_and_decodes() {
    let mut seen = 0;
    for folder in [folder(), folder().join("oracle")] {
        for entry in std::fs::read_dir(folder).expect("the folder is there") {
            let path = entry.expect("an entry").path();
            if path.extension().is_none_or(|extension| extension != "o") {
                continue;
            }
            let object = Object::parse(&std::fs::read(&path).expect("readable"))
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(!object.programs.is_empty(), "{}", path.display());
            for program in &object.programs {
                let decoded = decode_program(&program.insns);
                assert!(decoded.is_ok(), "{} {}: {decoded:?}", path.display(), program.name);
                assert_eq!(program.funcs.first().map(|f| f.name.as_str()), Some(program.name.as_str()));
                assert!(program.lines.is_sorted_by_key(|line| line.insn_off), "{}", program.name);
            }
            seen += 1;
        }
    }
    assert!(seen >= 10, "only {seen} objects");
}

#[test]
fn the_parser_chain_is_complete() {
    for name in ["parser_dpa.bpf.o", "parser_ldabs.bpf.o"] {
        let object = load(name);
        let parser = object.program("packet_parser").expect("the entry");
        assert_eq!(parser.section, "tc");
        assert_eq!(parser.prog_type, ProgType::SchedCls);
        assert_eq!(parser.funcs[0].args, [ArgKind::Ctx]);
        assert!(parser.license.contains("MIT"), "{}", parser.license);

        let table = &object.maps[object.map_index("ipproto_jmp_table").expect("the prog array")];
        assert_eq!(table.map_type, MapType::ProgArray);
        let MapContent::Programs(slots) = &table.content else { panic!("{:?}", table.content) };
        assert!(slots.contains(&(6, "parse_tcp".to_owned())), "{slots:?}");
        assert!(slots.contains(&(17, "parse_udp".to_owned())), "{slots:?}");
    }
}

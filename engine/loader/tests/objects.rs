//! Small objects, one convention each (sources in `tests/objects`).

use std::path::Path;

use bpfreplay_isa::{Insn, decode_program};
use bpfreplay_loader::{LoadError, LoadErrorKind, MapProblem, Note, Object, Options, POISON};
use bpfreplay_program::{
    ArgKind, KptrKind, Linkage, MapContent, Program, ReturnKind, SpecialField, SpecialKind,
};
use bpfreplay_uapi::{MapType, ProgType};

fn bytes(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/objects").join(format!("{name}.bpf.o"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn load(name: &str) -> Object {
    Object::parse(&bytes(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn refused(name: &str) -> LoadError {
    match Object::parse(&bytes(name)) {
        Ok(_) => panic!("{name} loaded"),
        Err(error) => error,
    }
}

fn names(object: &Object) -> Vec<&str> {
    object.programs.iter().map(|program| program.name.as_str()).collect()
}

/// The wide loads of a program with this source: (imm, imm of the second slot).
fn wide(program: &Program, src: u8) -> Vec<(i32, i32)> {
    let pairs = program.insns.windows(2);
    pairs.filter(|p| p[0].is_wide() && p[0].src() == src).map(|p| (p[0].imm, p[1].imm)).collect()
}

/// The targets of the calls to functions, as slots.
fn calls(program: &Program) -> Vec<i64> {
    let is_call = |insn: &Insn| insn.opcode == 0x85 && insn.src() == 1;
    let slots = (0i64..).zip(&program.insns);
    slots.filter(|(_, insn)| is_call(insn)).map(|(pc, insn)| pc + 1 + i64::from(insn.imm)).collect()
}

#[test]
fn legacy_maps_with_and_without_btf() {
    for name in ["legacy_maps", "no_btf"] {
        let object = load(name);
        let [counters, flows] = &object.maps[..] else { panic!("{:?}", object.maps) };
        assert_eq!((counters.name.as_str(), counters.map_type), ("counters", MapType::Array));
        assert_eq!((counters.key_size, counters.value_size, counters.max_entries), (4, 8, 16));
        assert_eq!((flows.name.as_str(), flows.map_type, flows.map_flags), ("flows", MapType::Hash, 1));

        let program = object.program("classify").expect("the program");
        assert_eq!(program.prog_type, ProgType::SchedCls);
        assert_eq!(wide(program, 1), [(1, 0), (0, 0)], "flows, then counters in the subprogram");
        assert_eq!(calls(program), [14]);
        assert_eq!(program.funcs.len(), if name == "no_btf" { 0 } else { 2 });
        assert!(program.gpl_compatible());
        let maps = Note::LegacyMaps { section: "maps".to_owned() };
        assert!(object.notes.contains(&maps), "{:?}", object.notes);
    }
}

#[test]
fn symbols_of_old_compilers_have_no_size() {
    let mut bytes = bytes("no_btf");
    // Clear st_size of every symbol: definitions and functions then reach to the next one.
    let word =
        |b: &[u8], at: usize| u64::from_le_bytes(b[at..at + 8].try_into().expect("eight bytes")) as usize;
    let (table, entry, count) = (word(&bytes, 40), 64, usize::from(bytes[60]));
    let symtab = (0..count).map(|i| table + i * entry).find(|&at| bytes[at + 4] == 2).expect("SHT_SYMTAB");
    let (start, size) = (word(&bytes, symtab + 24), word(&bytes, symtab + 32));
    for symbol in (start..start + size).step_by(24) {
        bytes[symbol + 16..symbol + 24].fill(0);
    }
    let (old, new) = (Object::parse(&bytes).expect("loads"), load("no_btf"));
    assert_eq!(old.maps, new.maps);
    assert_eq!(old.programs[0].insns, new.programs[0].insns);
}

#[test]
fn iproute2_sections_fill_the_map_with_their_id() {
    let object = load("id_slot");
    assert_eq!(names(&object), ["zero", "three", "entry"]);
    assert!(object.programs.iter().all(|program| program.prog_type == ProgType::SchedCls));
    let slots = vec![(0, "zero".to_owned()), (3, "three".to_owned())];
    assert_eq!(object.maps[0].content, MapContent::Programs(slots));
    let inner = object.maps[2].inner.as_deref().expect("the shape of inner maps");
    assert_eq!((inner.name.as_str(), inner.max_entries), ("inner", 3));
}

#[test]
fn values_of_prog_arrays_and_maps_of_maps() {
    let object = load("values");
    assert_eq!(names(&object), ["leaf_six", "leaf_seventeen", "entry"]);
    let map = |name| &object.maps[object.map_index(name).expect("declared")];

    let slots = vec![(6, "leaf_six".to_owned()), (17, "leaf_seventeen".to_owned())];
    assert_eq!(map("table").content, MapContent::Programs(slots));
    assert_eq!((map("table").key_size, map("table").value_size), (4, 4));

    let slots = vec![(1, "first".to_owned()), (3, "second".to_owned())];
    assert_eq!(map("outer").content, MapContent::Maps(slots));
    let inner = map("outer").inner.as_deref().expect("an inner definition");
    assert_eq!((inner.map_type, inner.max_entries, inner.value_size), (MapType::Hash, 8, 8));

    let flows = map("flows");
    assert_eq!((flows.map_type, flows.key_size, flows.value_size), (MapType::PercpuHash, 16, 24));
    assert!(flows.btf_key_type_id != 0 && flows.btf_value_type_id != 0);
    assert_eq!((map("routes").map_type, map("routes").map_flags), (MapType::LpmTrie, 1));
}

#[test]
fn a_declaration_tag_fills_a_slot() {
    let object = load("cilium_tail");
    assert_eq!(object.maps[0].content, MapContent::Programs(vec![(7, "tail_handle".to_owned())]));
    let note = Note::LegacySection { section: "tc/tail".to_owned(), prog_type: ProgType::SchedCls };
    assert!(object.notes.contains(&note), "{:?}", object.notes);
}

#[test]
fn subprograms_are_appended_to_each_program_that_reaches_them() {
    for version in 1..=4 {
        let object = load(&format!("subprograms_v{version}"));
        assert_eq!(names(&object), ["first", "second"]);

        let first = object.program("first").expect("defined");
        let funcs: Vec<&str> = first.funcs.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(funcs, ["first", "global_sum", "hidden_sum"]);
        let linkage: Vec<Linkage> = first.funcs.iter().map(|f| f.linkage).collect();
        assert_eq!(linkage, [Linkage::Global, Linkage::Global, Linkage::Static]);
        assert_eq!(first.funcs[1].args, [ArgKind::Mem { size: 16, nonnull: false }]);
        assert_eq!(first.funcs[1].ret, ReturnKind::Scalar);

        let second = object.program("second").expect("defined");
        let funcs: Vec<&str> = second.funcs.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(funcs, ["second", "body", "middle", "deepest", "tagged", "global_sum"]);
        let tagged = &second.funcs[4];
        assert_eq!(tagged.args, [ArgKind::Ctx, ArgKind::Mem { size: 16, nonnull: true }]);

        for program in [first, second] {
            let starts: Vec<i64> = program.funcs.iter().map(|f| i64::from(f.insn_off)).collect();
            let mut targets = calls(program);
            assert!(targets.iter().all(|target| starts.contains(target)), "{targets:?} {starts:?}");
            // An address counts from the second slot of its ld_imm64.
            let slots = (0i64..).zip(&program.insns).filter(|(_, i)| i.is_wide() && i.src() == 4);
            targets.extend(slots.map(|(pc, insn)| pc + 1 + i64::from(insn.imm)));
            targets.sort_unstable();
            targets.dedup();
            assert_eq!(targets, starts[1..], "every subprogram is reached");
            assert!(program.lines.is_sorted_by_key(|line| line.insn_off));
            for func in &program.funcs {
                assert!(
                    program.lines.iter().any(|line| line.insn_off == func.insn_off),
                    "v{version}: no line at the start of {}",
                    func.name
                );
            }
            assert!(decode_program(&program.insns).is_ok());
        }
    }
}

#[test]
fn a_static_function_beside_programs_is_a_subprogram() {
    let object = load("beside");
    let [entry] = &object.programs[..] else { panic!("{:?}", names(&object)) };
    assert_eq!((entry.prog_type, entry.expected_attach_type), (ProgType::SchedCls, 46));
    let funcs: Vec<&str> = entry.funcs.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(funcs, ["entry", "beside"]);
    assert_eq!(calls(entry), [i64::from(entry.funcs[1].insn_off)]);
}

#[test]
fn data_sections_are_maps() {
    let object = load("data_sections");
    let data = |name: &str| match &object.maps[object.map_index(name).expect("a map")].content {
        MapContent::Data { bytes, frozen } => (bytes.clone(), *frozen),
        other => panic!("{name}: {other:?}"),
    };
    let (rodata, frozen) = data(".rodata");
    assert!(frozen && rodata.ends_with(b"len %d\0"), "{rodata:?}");
    assert_eq!(rodata[..8], [10, 0, 0, 0, 20, 0, 0, 0]);
    assert_eq!(data(".data"), (vec![5, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 3, 0], false));
    assert_eq!(data(".data.own"), (vec![0x44, 0x33, 0x22, 0x11], false));
    assert_eq!(data(".rodata.own"), (vec![9], true));
    assert_eq!(data(".bss"), (vec![0; 36], false));
    let rodata = &object.maps[object.map_index(".rodata").expect("a map")];
    assert_eq!((rodata.map_flags, rodata.max_entries), (0x480, 1));
    assert!(rodata.btf_value_type_id != 0);

    // zeroes[3] is at 24 of .bss, and the compiler put the 24 into the addend or added it at run time.
    let bss = object.map_index(".bss").expect("a map") as i32;
    let references = wide(&object.programs[0], 2);
    assert!(references.iter().any(|&(map, _)| map == bss), "{references:?}");
    assert!(references.iter().all(|&(map, offset)| offset < object.maps[map as usize].value_size as i32));
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let kind = |name: &str| refused(name).kind;
    assert_eq!(kind("kfunc"), LoadErrorKind::Kfunc("bpf_task_from_pid".to_owned()));
    assert_eq!(kind("kconfig"), LoadErrorKind::Kconfig("CONFIG_HZ".to_owned()));
    assert_eq!(kind("ksym"), LoadErrorKind::Ksym("jiffies".to_owned()));
    assert_eq!(kind("undefined"), LoadErrorKind::Undefined("elsewhere".to_owned()));
    assert_eq!(kind("struct_ops"), LoadErrorKind::UnsupportedProgramType("struct_ops"));
    assert_eq!(kind("fentry"), LoadErrorKind::UnsupportedProgramType("tracing (fentry)"));
    assert_eq!(kind("big_endian"), LoadErrorKind::BigEndian);
    let arena = MapProblem::UnsupportedType("arena");
    assert_eq!(kind("arena"), LoadErrorKind::Map { map: "arena".to_owned(), problem: arena });
}

/// As libbpf has it: what is weak and absent is NULL, and a call of it is one of a helper that nobody has.
#[test]
fn weak_externs_that_are_absent_are_null() {
    let object = load("weak_externs");
    let program = &object.programs[0];
    let [there, no_function, no_variable] = wide(program, 0)[..] else { panic!("three addresses") };
    assert_ne!(there, (0, 0), "this engine has bpf_iter_num_new");
    assert_eq!((no_function, no_variable), ((0, 0), (0, 0)));
    for program in &object.programs {
        let calls = program.insns.iter().filter(|insn| insn.opcode == 0x85);
        assert_eq!(calls.map(|insn| (insn.src(), insn.imm)).collect::<Vec<_>>(), [(0, 2_002_000_000)]);
        assert_eq!(program.absent_kfunc(2_002_000_000), Some("bpf_no_such_function"));
        assert_eq!(program.absent_kfunc(2_002_000_001), None);
    }
}

#[test]
fn a_program_that_cannot_be_loaded_does_not_hide_the_others() {
    let object = Object::parse_with(&bytes("neighbours"), &Options::default()).expect("a sound file");
    assert_eq!(names(&object), ["fine", "enters", "names_stacks", "unsafe"]);
    let refused: Vec<_> = object.refused.iter().map(|r| (r.name.as_str(), r.error.kind.clone())).collect();
    assert_eq!(
        refused,
        [
            ("asks", LoadErrorKind::Ksym("bpf_prog_active".to_owned())),
            ("traces", LoadErrorKind::UnsupportedProgramType("tracing (fentry)")),
            ("of_no_type", LoadErrorKind::UnknownSection),
        ]
    );
    let jmp = &object.maps[object.map_index("jmp").expect("declared")];
    assert_eq!(jmp.content, MapContent::Programs(vec![(1, "asks".to_owned())]), "a slot keeps its program");
    let all: Vec<String> =
        Object::list(&bytes("neighbours")).expect("listed").into_iter().map(|(_, name)| name).collect();
    assert_eq!(all, ["asks", "fine", "enters", "names_stacks", "unsafe", "traces", "of_no_type"]);
    assert_eq!(self::refused("neighbours").kind, LoadErrorKind::Ksym("bpf_prog_active".to_owned()));
}

#[test]
fn pointers_in_data_are_not_filled_in() {
    let object = load("pointer_in_data");
    let (section, symbol) = (".data".to_owned(), "target".to_owned());
    assert!(object.notes.contains(&Note::PointersInData { section, symbol }), "{:?}", object.notes);
    let MapContent::Data { bytes, .. } = &object.maps[0].content else { panic!("{:?}", object.maps) };
    assert_eq!(bytes[..], [3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "as in the file");
}

#[test]
fn data_sections_are_named_after_the_object() {
    let options = Options { name: "a_long_name".to_owned(), ..Options::default() };
    let object = Object::parse_with(&bytes("data_sections"), &options).expect("loads");
    let mut names: Vec<&str> = object.maps.iter().map(|map| map.name.as_str()).collect();
    names.sort_unstable();
    // What libbpf calls them.
    assert_eq!(names, [".data.own", ".rodata.own", "a_long_n.bss", "a_long_n.data", "a_long_n.rodata"]);
    let rodata = &object.maps[object.map_index("a_long_n.rodata").expect("a map")];
    assert!(rodata.btf_value_type_id != 0, "its type is the section's");
}

#[test]
fn bad_values_are_refused() {
    let problem = |name: &str| match refused(name).kind {
        LoadErrorKind::Map { map, problem } => (map, problem),
        other => panic!("{name}: {other}"),
    };
    let past_end = MapProblem::ValuesSlot { slot: 3, max_entries: 3 };
    assert_eq!(problem("values_past_end"), ("table".to_owned(), past_end));
    let subprogram = MapProblem::ValuesNotAProgram { slot: 2, symbol: "helper".to_owned() };
    assert_eq!(problem("values_subprogram"), ("table".to_owned(), subprogram));
}

#[test]
fn an_unknown_section_needs_a_type() {
    let error = refused("unknown_section");
    assert_eq!(error.kind, LoadErrorKind::UnknownSection);
    assert!(error.to_string().starts_with("section 'parser', offset 0x0: "), "{error}");

    let options = Options { prog_type: Some(ProgType::SchedAct), ..Options::default() };
    let object = Object::parse_with(&bytes("unknown_section"), &options).expect("with a type it loads");
    assert_eq!(object.programs[0].prog_type, ProgType::SchedAct);
}

#[test]
fn core_relocations_against_the_own_types() {
    let object = load("core");
    let program = object.program("core").expect("defined");
    // `gone` is not in struct sample, so reading it has no answer and asking for it has the answer no.
    let poisoned = program.insns.iter().filter(|insn| insn.opcode == 0x85 && insn.imm >= POISON).count();
    assert_eq!(poisoned, 1);
    // `below` is at 32 in struct sample, 16 in what struct sample___old says.
    let below = |off| program.insns.iter().any(|insn| insn.opcode == 0x69 && insn.off == off);
    assert!(below(32) && !below(16), "the load has moved");
    assert!(wide(program, 0).contains(&(0x3456_789a, 0x12)), "the value of LARGE");
}

#[test]
fn core_relocations_against_other_types() {
    let target = section(&bytes("core_target"), ".BTF");
    let options = Options { target_btf: Some(target), ..Options::default() };
    let object = Object::parse_with(&bytes("core"), &options).expect("loads");
    let program = object.program("core").expect("defined");
    // core_target has `numbers` at 8 in `nested`, `nested` at 16.
    let constants: Vec<i32> = program.insns.iter().filter(|i| i.opcode == 0xb7).map(|i| i.imm).collect();
    assert!(constants.contains(&36), "the offset of nested.numbers[3]: {constants:?}");
    assert!(constants.contains(&88), "the size of struct sample: {constants:?}");
    let wide = wide(program, 0);
    assert!(wide.contains(&(77, 0)), "the value of GREEN: {wide:?}");
    assert!(wide.contains(&(0x8877_6655_u32.cast_signed(), 0x99)), "the value of LARGE: {wide:?}");
}

/// A section's bytes.
fn section(elf: &[u8], name: &str) -> Vec<u8> {
    let word = |at: usize| u64::from_le_bytes(elf[at..at + 8].try_into().expect("eight bytes")) as usize;
    let half = |at: usize| usize::from(u16::from_le_bytes([elf[at], elf[at + 1]]));
    let header = |index: usize| word(40) + index * 64;
    let range = |index: usize| word(header(index) + 24)..word(header(index) + 24) + word(header(index) + 32);
    let names = &elf[range(half(62))];
    let name_of = |index: usize| {
        let at = u32::from_le_bytes(elf[header(index)..header(index) + 4].try_into().expect("four")) as usize;
        names[at..].split(|&b| b == 0).next().expect("a name")
    };
    let index = (0..half(60)).find(|&index| name_of(index) == name.as_bytes()).expect("the section");
    elf[range(index)].to_vec()
}

#[test]
fn fields_that_programs_reach_through_functions() {
    let object = load("local_types");
    let types = &object.programs[0].local_types;
    let id = |name: &str| types.iter().find(|ty| ty.name == name).map_or(0, |ty| ty.btf_id);
    let (leaf, both) = (id("leaf"), id("both"));
    let fields =
        |special: &[SpecialField]| special.iter().map(|field| (field.off, field.kind)).collect::<Vec<_>>();
    let found: Vec<_> = types.iter().map(|ty| (ty.name.as_str(), ty.size)).collect();
    assert_eq!(found, [("value", 56), ("both", 80), ("", 8), ("leaf", 32)]);
    assert_eq!(fields(&types[3].special), [(8, SpecialKind::ListNode)]);
    let SpecialKind::Kptr { kind: KptrKind::Ref, type_id: plain } = types[1].special[3].kind else {
        panic!("{:?}", types[1])
    };
    let beside = SpecialKind::Kptr { kind: KptrKind::Ref, type_id: plain };
    assert_eq!(
        fields(&types[1].special),
        [(8, SpecialKind::RbNode), (40, SpecialKind::ListNode), (64, SpecialKind::Refcount), (72, beside),]
    );
    let owned = SpecialKind::Kptr { kind: KptrKind::Ref, type_id: both };
    let values = &object.maps[object.map_index("values").expect("the map")];
    assert_eq!(
        fields(&values.special),
        [
            (0, SpecialKind::SpinLock),
            (8, owned),
            (16, owned),
            (24, SpecialKind::Kptr { kind: KptrKind::Unref, type_id: plain }),
            (32, SpecialKind::ListHead { value_type_id: leaf, node_off: 8 }),
            (48, beside),
        ]
    );
    let data = &object.maps[object.map_index(".data.A").expect("the section")];
    let root = SpecialKind::RbRoot { value_type_id: both, node_off: 8 };
    let mut section = fields(&data.special);
    section.sort_by_key(|&(_, kind)| kind == root);
    let kinds: Vec<_> = section.into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(kinds, [SpecialKind::SpinLock, root]);
}

#[test]
fn objects_that_own_their_own_type() {
    let message = refused("own_each_other").to_string();
    assert!(message.contains("fields of 'struct chain'") && message.contains("ELOOP"), "{message}");
}

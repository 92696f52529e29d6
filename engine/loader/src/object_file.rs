use std::collections::HashSet;
use std::sync::Arc;

use bpfreplay_btf::Btf;
use bpfreplay_program::{LocalType, MapSpec, Program};
use bpfreplay_uapi::ProgType;

use crate::btf::ext::Ext;
use crate::btf::fixup;
use crate::core_relo;
use crate::elf::Elf;
use crate::error::{LoadError, LoadErrorKind};
use crate::function::{Functions, SLOT};
use crate::link::Linker;
use crate::maps::{Maps, values};
use crate::note::{self, Note};
use crate::reference::References;
use crate::section_name::{Attach, SectionRole};
use crate::special::local_types;

/// What an object file holds.
#[derive(Clone, Debug)]
pub struct Object {
    /// Every program that can be loaded, in the order of the file, linked and independent of the others.
    pub programs: Vec<Arc<Program>>,
    /// Those that cannot; to the others they do not matter.
    pub refused: Vec<RefusedProgram>,
    /// Every map. All programs share this list and index into it.
    pub maps: Arc<[MapSpec]>,
    /// The licence string, empty if there is none.
    pub license: String,
    /// `.BTF` in a form `BPF_BTF_LOAD` takes.
    pub btf: Option<Arc<[u8]>>,
    /// What a user should know though it is no error.
    pub notes: Vec<Note>,
}

/// What to assume about an object.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The type of every program, whatever its section is called (bpftool's `type`).
    pub prog_type: Option<ProgType>,
    /// The `.BTF` that CO-RE relocations are resolved against, such as `/sys/kernel/btf/vmlinux`; without it the
    /// object's own types.
    pub target_btf: Option<Vec<u8>>,
    /// The programs to load, as libbpf's `bpf_program__set_autoload` chooses them; empty: every one.
    pub only: Vec<String>,
    /// What the object is called, which the maps that data sections are have in their names; see
    /// [`object_name`](crate::object_name). Empty: they are called as the sections.
    pub name: String,
}

/// A program that cannot be loaded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefusedProgram {
    /// The C symbol.
    pub name: String,
    /// The ELF section.
    pub section: String,
    /// Why.
    pub error: LoadError,
}

impl Object {
    /// Reads an object as its section names and types say, all of it or nothing (`bpf_object__load`).
    ///
    /// # Errors
    ///
    /// Whatever is broken or not supported, with section and offset; see [`LoadErrorKind`].
    pub fn parse(bytes: &[u8]) -> Result<Object, LoadError> {
        let object = Object::parse_with(bytes, &Options::default())?;
        match object.refused.into_iter().next() {
            Some(first) => Err(first.error),
            None => Ok(Object { refused: Vec::new(), ..object }),
        }
    }

    /// Reads an object, each program for itself.
    ///
    /// # Errors
    ///
    /// What is broken in the file as a whole or in a map, with section and offset; see [`LoadErrorKind`]. Programs that
    /// cannot be loaded are in [`Object::refused`].
    pub fn parse_with(bytes: &[u8], options: &Options) -> Result<Object, LoadError> {
        let elf = Elf::parse(bytes)?;
        let btf = match elf.section(".BTF") {
            Some((_, section)) => Some(Arc::new(fixup::fix(&Btf::parse(section.data)?, &elf)?)),
            None => None,
        };
        let ext = match (&btf, elf.section(".BTF.ext")) {
            (Some(btf), Some((_, section))) => Some(Ext::parse(section.data, btf)?),
            _ => None,
        };
        let types = btf.as_deref().zip(ext.as_ref());

        let mut functions = Functions::find(&elf, options.prog_type)?;
        let mut maps = Maps::read(&elf, btf.as_ref(), &options.name)?;
        values::fill(&elf, types, &functions, &mut maps)?;
        if let Some((btf, ext)) = types {
            let target = options.target_btf.as_deref().map(Btf::parse).transpose()?;
            core_relo::apply(btf, ext, target.as_ref(), &mut functions)?;
        }
        let references = References::resolve(&elf, btf.as_deref(), &maps, &mut functions)?;

        let license = license(&elf)?;
        let btf_bytes = btf.as_deref().map(fixup::without_externs).transpose()?;
        let btf_bytes: Option<Arc<[u8]>> = btf_bytes.map(Into::into);
        let absent_kfuncs = references.absent();
        let local_types = btf.as_deref().map(local_types).transpose()?;
        let local_types: Arc<[LocalType]> = local_types.unwrap_or_default().into();
        let notes = note::all(&elf, &functions);
        let slot_attach = slot_attach(&functions);
        let maps: Arc<[MapSpec]> = maps.specs.into();
        let mut linker = Linker::new(&functions, &references, types);
        let (mut programs, mut refused) = (Vec::new(), Vec::new());
        let mut names = HashSet::new();
        for (index, function) in
            functions.all.iter().enumerate().filter(|(_, f)| f.entry && chosen(&options.only, f.name))
        {
            let code = &functions.code[function.code];
            if !names.insert(function.name) {
                let kind = LoadErrorKind::DuplicateProgram(function.name.to_owned());
                return Err(LoadError::at(code.name, function.start * SLOT, kind));
            }
            let attach = match code.role {
                SectionRole::Programs(attach) => Ok(attach),
                SectionRole::Slot { .. } | SectionRole::Text => Ok(slot_attach),
                SectionRole::Unsupported(what) => Err(LoadErrorKind::UnsupportedProgramType(what)),
                SectionRole::Unknown => Err(LoadErrorKind::UnknownSection),
            };
            let attach = attach.map_err(|kind| LoadError::at(code.name, 0, kind));
            match attach.and_then(|attach| Ok((attach, linker.link(index, attach.prog_type)?))) {
                Ok((attach, linked)) => programs.push(Arc::new(Program {
                    name: function.name.to_owned(),
                    section: code.name.to_owned(),
                    prog_type: attach.prog_type,
                    expected_attach_type: attach.attach_type,
                    xdp_has_frags: attach.frags,
                    license: license.clone(),
                    insns: linked.insns,
                    maps: Arc::clone(&maps),
                    funcs: linked.funcs,
                    lines: linked.lines,
                    btf: btf_bytes.clone(),
                    types: btf.clone(),
                    exception_callback: linked.exception_callback,
                    absent_kfuncs: Arc::clone(&absent_kfuncs),
                    local_types: Arc::clone(&local_types),
                })),
                Err(error) => refused.push(RefusedProgram {
                    name: function.name.to_owned(),
                    section: code.name.to_owned(),
                    error,
                }),
            }
        }
        Ok(Object { programs, refused, maps, license, btf: btf_bytes, notes })
    }

    /// The functions of an object that are programs if their sections are of programs: (section, name), in the order
    /// of the file, whether this engine has the program's type or not. `.text` holds none.
    ///
    /// # Errors
    ///
    /// If the file is broken.
    pub fn list(bytes: &[u8]) -> Result<Vec<(String, String)>, LoadError> {
        let elf = Elf::parse(bytes)?;
        Ok(crate::function::names(&elf))
    }

    /// The program with this name (its C symbol).
    #[must_use]
    pub fn program(&self, name: &str) -> Option<&Arc<Program>> {
        self.programs.iter().find(|program| program.name == name)
    }

    /// The index of the map with this name.
    #[must_use]
    pub fn map_index(&self, name: &str) -> Option<usize> {
        self.maps.iter().position(|map| map.name == name)
    }
}

/// Whether a program is one of those to load.
fn chosen(only: &[String], name: &str) -> bool {
    only.is_empty() || only.iter().any(|chosen| chosen == name)
}

/// The text of the `license` section.
fn license(elf: &Elf<'_>) -> Result<String, LoadError> {
    let Some((_, section)) = elf.section("license") else { return Ok(String::new()) };
    let len = section.data.iter().position(|&b| b == 0);
    match len.map(|len| &section.data[..len]) {
        Some(text) if text.is_ascii() => Ok(String::from_utf8_lossy(text).into_owned()),
        _ => Err(LoadError::at(section.name, 0, LoadErrorKind::BadLicense)),
    }
}

/// Programs in `id/slot` sections are of the type the file's other programs have: iproute2 inserts them into a prog
/// array that those tail-call through.
fn slot_attach(functions: &Functions<'_>) -> Attach {
    let named = functions.code.iter().find_map(|code| match code.role {
        SectionRole::Programs(attach) => Some(attach),
        SectionRole::Text | SectionRole::Slot { .. } | SectionRole::Unsupported(_) | SectionRole::Unknown => {
            None
        }
    });
    named.unwrap_or(Attach { strict: false, ..Attach::of(ProgType::SchedCls) })
}

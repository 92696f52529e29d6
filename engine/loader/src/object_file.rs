use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use bpfreplay_btf::Btf;
use bpfreplay_program::{MapSpec, Program};
use bpfreplay_uapi::ProgType;

use crate::btf::ext::Ext;
use crate::btf::fixup;
use crate::core_relo;
use crate::elf::Elf;
use crate::error::{LoadError, LoadErrorKind};
use crate::function::Functions;
use crate::link::Linker;
use crate::maps::{Maps, values};
use crate::reference::References;
use crate::section_name::{Attach, SectionRole};

/// What an object file holds.
#[derive(Clone, Debug)]
pub struct Object {
    /// Every program, in the order of the file, linked and independent of the others.
    pub programs: Vec<Arc<Program>>,
    /// Every map. All programs share this list and index into it.
    pub maps: Arc<[MapSpec]>,
    /// The licence string, empty if there is none.
    pub license: String,
    /// `.BTF` in a form `BPF_BTF_LOAD` takes.
    pub btf: Option<Arc<[u8]>>,
    /// What was accepted though libbpf would not.
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
    /// The programs to load, as libbpf's `bpf_program__set_autoload` chooses them; empty: every one. What this engine
    /// cannot take in the others does not matter then.
    pub only: Vec<String>,
}

/// Something accepted though libbpf would not; for a warning.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Note {
    /// A section name libbpf 1.x does not know.
    LegacySection {
        /// The section.
        section: String,
        /// The type its programs got.
        prog_type: ProgType,
    },
    /// A section of legacy map definitions, which libbpf 1.x refuses.
    LegacyMaps {
        /// The section.
        section: String,
    },
}

impl Object {
    /// Reads an object as its section names and types say.
    ///
    /// # Errors
    ///
    /// Whatever is broken or not supported, with section and offset; see [`LoadErrorKind`].
    pub fn parse(bytes: &[u8]) -> Result<Object, LoadError> {
        Object::parse_with(bytes, &Options::default())
    }

    /// Reads an object.
    ///
    /// # Errors
    ///
    /// Whatever is broken or not supported, with section and offset; see [`LoadErrorKind`].
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

        let mut functions = Functions::find(&elf, options.prog_type, &options.only)?;
        let mut maps = Maps::read(&elf, btf.as_ref(), &options.only)?;
        values::fill(&elf, types, &functions, &mut maps)?;
        if let Some((btf, ext)) = types {
            let target = options.target_btf.as_deref().map(Btf::parse).transpose()?;
            core_relo::apply(btf, ext, target.as_ref(), &mut functions, &options.only)?;
        }
        let references = References::resolve(&elf, btf.as_deref(), &maps, &mut functions, &options.only)?;

        let license = license(&elf)?;
        let btf_bytes = btf.as_deref().map(fixup::without_externs).transpose()?;
        let btf_bytes: Option<Arc<[u8]>> = btf_bytes.map(Into::into);
        let notes = notes(&elf, &functions);
        let slot_attach = slot_attach(&functions);
        let maps: Arc<[MapSpec]> = maps.specs.into();
        let mut linker = Linker::new(&functions, &references, types);
        let mut programs = Vec::new();
        let mut names = HashSet::new();
        for (index, function) in
            functions.all.iter().enumerate().filter(|(_, f)| f.entry && chosen(&options.only, f.name))
        {
            let code = &functions.code[function.code];
            let attach = match code.role {
                SectionRole::Programs(attach) => attach,
                SectionRole::Slot { .. } | SectionRole::Text => slot_attach,
            };
            if !names.insert(function.name) {
                let kind = LoadErrorKind::DuplicateProgram(function.name.to_owned());
                return Err(LoadError::at(code.name, function.start * 8, kind));
            }
            let linked = linker.link(index, attach.prog_type)?;
            programs.push(Arc::new(Program {
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
                exception_callback: linked.exception_callback,
            }));
        }
        Ok(Object { programs, maps, license, btf: btf_bytes, notes })
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
pub(crate) fn chosen(only: &[String], name: &str) -> bool {
    only.is_empty() || only.iter().any(|chosen| chosen == name)
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::LegacySection { section, prog_type } => {
                write!(f, "section '{section}' taken as {}; libbpf does not know the name", prog_type.name())
            }
            Note::LegacyMaps { section } => {
                write!(
                    f,
                    "section '{section}' holds legacy map definitions, which libbpf 1.0 and later refuse"
                )
            }
        }
    }
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
        SectionRole::Text | SectionRole::Slot { .. } => None,
    });
    named.unwrap_or(Attach { strict: false, ..Attach::of(ProgType::SchedCls) })
}

fn notes(elf: &Elf<'_>, functions: &Functions<'_>) -> Vec<Note> {
    let sections = functions.code.iter().filter_map(|code| match code.role {
        SectionRole::Programs(Attach { prog_type, strict: false, .. }) => {
            Some(Note::LegacySection { section: code.name.to_owned(), prog_type })
        }
        _ => None,
    });
    let maps = elf
        .sections
        .iter()
        .filter(|s| s.name == "maps" || s.name.starts_with("maps/"))
        .map(|section| Note::LegacyMaps { section: section.name.to_owned() });
    sections.chain(maps).collect()
}

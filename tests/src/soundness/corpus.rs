use std::path::Path;
use std::sync::Arc;

use bpfreplay_btf::Btf;
use bpfreplay_loader::Object;
use bpfreplay_parsers::ALL;
use bpfreplay_program::{MapContent, MapSpec, Program};

use super::random::Random;
use crate::captures::root;
use crate::case::{verifier_cases, verifier_program};
use crate::selftests;

/// Slots of a program that is worth damaging: longer ones take the time of many.
const SLOTS_MAX: usize = 3000;

/// Programs to damage, with a name each.
#[derive(Debug, Default)]
pub struct Corpus {
    programs: Vec<(String, Arc<Program>)>,
}

impl Corpus {
    /// The cases of `tests/cases/verifier`, the idioms and the programs that keep objects as clang compiles them for the first
    /// and the last instruction set, and the programs of all shipped objects.
    ///
    /// # Panics
    ///
    /// If a committed file cannot be read.
    #[must_use]
    pub fn shipped() -> Corpus {
        let mut corpus = Corpus::default();
        for (name, case) in verifier_cases() {
            // Programs that take a million steps take them damaged as well.
            if !name.contains("million") {
                corpus.add(name, &Arc::new(verifier_program(&case)));
            }
        }
        for object in ALL.iter().copied().flatten() {
            corpus.add_object(object.name, object.bytes);
        }
        let folders = [
            ("tests/idioms", "v1"),
            ("tests/idioms", "v4"),
            ("tests/objects", "v1"),
            ("tests/objects", "v4"),
        ];
        for (sources, cpu) in folders {
            let folder = root().join(sources).join(cpu);
            let mut files: Vec<_> = std::fs::read_dir(folder).expect("committed objects").flatten().collect();
            files.sort_by_key(std::fs::DirEntry::file_name);
            for file in files {
                let bytes = std::fs::read(file.path()).expect("a committed object");
                corpus.add_object(&format!("{cpu}/{}", file.file_name().display()), &bytes);
            }
        }
        corpus
    }

    fn add_object(&mut self, name: &str, bytes: &[u8]) {
        for program in Object::parse(bytes).expect("a committed object").programs {
            self.add(format!("{name}: {}", program.name), &program);
        }
    }

    /// Adds the suites that `tests/selftests/judge` built in this folder.
    ///
    /// # Errors
    ///
    /// If they cannot be read.
    pub fn add_selftests(&mut self, built: &Path) -> anyhow::Result<()> {
        for trial in selftests::trials(built)?.0 {
            if let Ok([program, ..]) = trial.programs.as_deref() {
                self.add(trial.key(), program);
            }
        }
        Ok(())
    }

    fn add(&mut self, name: String, program: &Arc<Program>) {
        if (1..=SLOTS_MAX).contains(&program.insns.len()) {
            self.programs.push((name, Arc::new(alone(program))));
        }
    }

    /// How many programs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.programs.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.programs.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &(String, Arc<Program>)> {
        self.programs.iter()
    }

    /// Any of them.
    pub fn any(&self, random: &mut Random) -> &(String, Arc<Program>) {
        &self.programs[random.below(self.programs.len())]
    }
}

/// The program with the maps it uses, and without the programs it would tail-call: its prog arrays are empty.
fn alone(program: &Program) -> Program {
    let mut alone = [program.clone()];
    let used = selftests::keep_used_maps(&mut alone);
    let [mut alone] = alone;
    let maps: Option<Vec<MapSpec>> = used.iter().map(|&map| program.maps.get(map).cloned()).collect();
    // A case may be about a map that is not there.
    let Some(mut maps) = maps else { return program.clone() };
    // As the loader mends them for the kernel, which takes them from the maps of a mutant that has none of its own.
    let mended = program.btf.as_deref().and_then(|raw| Btf::parse(raw).ok()).map(Arc::new);
    for map in &mut maps {
        if let (Some(own), Some(mended)) = (&mut map.btf, &mended)
            && own.raw().len() == mended.raw().len()
        {
            own.clone_from(mended);
        }
        if let MapContent::Programs(_) | MapContent::Maps(_) = map.content {
            map.content = MapContent::Empty;
        }
    }
    alone.maps = maps.into();
    alone
}

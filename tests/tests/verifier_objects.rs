//! The verifier accepts every program of every object that is shipped.

use std::path::Path;
use std::sync::Arc;

use bpfreplay_loader::Object;
use bpfreplay_runtime::SKB_LAYOUT;
use bpfreplay_tests::captures::root;
use bpfreplay_verifier::{LogLevel, Options, verify};

#[test]
fn shipped_programs_are_accepted() {
    let mut programs = 0;
    let mut refused = Vec::new();
    for folder in ["parsers/bpf", "parsers/bpf/oracle"] {
        for path in objects(&root().join(folder)) {
            let name = path.file_name().expect("a file").to_string_lossy().into_owned();
            let object = Object::parse(&std::fs::read(&path).expect("readable")).expect("a good object");
            for program in &object.programs {
                programs += 1;
                let options = Options { layout: &SKB_LAYOUT, log: LogLevel::Stats };
                match verify(Arc::clone(program), &options) {
                    Ok(verified) => {
                        println!("{name} {}: {}", program.name, verified.log().trim());
                        assert_eq!(verified.xlated().len(), verified.orig_pc().len());
                    }
                    Err(error) => refused.push(format!("{name}: {error}")),
                }
            }
        }
    }
    assert!(programs >= 40, "only {programs} programs found");
    assert!(refused.is_empty(), "{} of {programs} refused:\n{}", refused.len(), refused.join("\n"));
}

fn objects(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(".bpf.o"));
    paths.sort();
    paths
}

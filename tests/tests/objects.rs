//! Every shipped object: our loader links it, and the kernel takes what our loader linked.

use bpfreplay_loader::Object;
use bpfreplay_tests::Kernel;
use bpfreplay_tests::captures::objects;
use bpfreplay_tests::kernel::KernelInstance;
use bpfreplay_verifier::LogLevel;

#[test]
fn the_kernel_takes_what_the_loader_links() {
    let Some(kernel) = Kernel::or_skip("the kernel loads every object") else { return };
    let mut failed = Vec::new();
    for path in objects() {
        let bytes = std::fs::read(&path).expect("an object");
        let object = Object::parse(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(!object.programs.is_empty(), "{} holds programs", path.display());
        if let Err(error) = KernelInstance::load(kernel, &object.programs) {
            failed.push(format!("{}: {error}", path.display()));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn our_verifier_takes_them_too() {
    let mut refused = Vec::new();
    for path in objects() {
        let bytes = std::fs::read(&path).expect("an object");
        let object = Object::parse(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for program in &object.programs {
            let options =
                bpfreplay_verifier::Options { layout: &bpfreplay_runtime::SKB_LAYOUT, log: LogLevel::Off };
            if let Err(error) = bpfreplay_verifier::verify(std::sync::Arc::clone(program), &options) {
                refused.push(format!("{}: {error}", path.display()));
            }
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

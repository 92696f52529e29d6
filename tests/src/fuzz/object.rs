use bpfreplay_instance::{Engine, Instance, Options};
use bpfreplay_loader::Object;
use bpfreplay_program::MapSpec;
use bpfreplay_runtime::skb::{Bytes, Device, Frame, Hook, Link};
use bpfreplay_runtime::{Context, ExecutionContext, Packet};

/// Bytes of all maps of an object that is run. Larger ones say nothing new about programs.
const MAP_BYTES_MAX: u64 = 1 << 20;
/// Slots of all programs of an object that is run, which bounds the verifier's work.
const SLOTS_MAX: usize = 4096;

/// Any bytes as an object: a typed error or programs. Programs that the verifier accepts run on the interpreter, which
/// finds nothing to fault.
///
/// # Panics
///
/// If the loader gives an empty program or an empty error, or if an accepted program faults.
pub fn object(bytes: &[u8]) {
    let object = match Object::parse(bytes) {
        Ok(object) => object,
        Err(error) => return assert!(!error.to_string().is_empty(), "{error:?}"),
    };
    assert!(object.programs.iter().all(|program| !program.insns.is_empty()));
    let slots: usize = object.programs.iter().map(|program| program.insns.len()).sum();
    let maps = object.programs.first().map_or(&[][..], |program| &program.maps[..]);
    // Two maps may be as large as numbers get.
    let map_bytes = maps.iter().map(size).fold(0, u64::saturating_add);
    if slots > SLOTS_MAX || map_bytes > MAP_BYTES_MAX {
        return;
    }
    let options = Options { engine: Engine::Interpreter, ..Options::default() };
    match Instance::load(&object, &options) {
        Ok(instance) => run(&instance),
        Err(error) => assert!(!error.to_string().is_empty(), "{error:?}"),
    }
}

fn size(map: &MapSpec) -> u64 {
    u64::from(map.max_entries).saturating_mul(u64::from(map.key_size) + u64::from(map.value_size) + 64)
}

/// Every program on one frame.
fn run(instance: &Instance) {
    let mut exec = ExecutionContext::new(0);
    let mut packet = Packet::new();
    let hook = Hook::Ingress(Device::default());
    let bytes: [u8; 96] = std::array::from_fn(|at| if at == 12 { 8 } else { at as u8 });
    for program in instance.programs() {
        if !program.executable.info().prog_type.has_skb() {
            continue;
        }
        let frame = Frame { bytes: Bytes::Copied(&bytes), link: Link::Ethernet, wire_len: 96, time_ns: 0 };
        let Ok(skb) = packet.load(frame, &hook) else { continue };
        program.executable.run(Context::Skb(skb), &mut exec.batch());
        assert_eq!(exec.fault, None, "the verifier accepted {}", program.name());
    }
}

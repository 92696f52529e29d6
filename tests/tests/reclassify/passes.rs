//! A program that leaves a trace of every pass, on our hook and on the kernel's.

use std::sync::Arc;

use bpfreplay_instance::{Engine, Instance, Options};
use bpfreplay_program::{MapSpec, Program};
use bpfreplay_runtime::skb::{self, Bytes, Device, Frame, Link};
use bpfreplay_runtime::{ExecutionContext, Packet};
use bpfreplay_tc::{
    Action, Classified, Direction, DropReason, Filter, Hook, NoObserver, Reclassify, Verdict,
};
use bpfreplay_tests::Kernel;
use bpfreplay_tests::case::{ProgramDef, assemble_program};
use bpfreplay_tests::kernel::{KernelInstance, LiveHook, LiveLink};
use bpfreplay_tests::skip::skipped;
use bpfreplay_uapi::MapType;
use bpfreplay_uapi::tc::{TC_ACT_OK, TC_ACT_RECLASSIFY};

/// Counts its runs, notes what it finds of mark, cb[0], tc_index and a byte of the packet, and leaves more of each.
const TRACE: &str = "
    r6 = r1
    *(u32 *)(r10 - 4) = 0
    r2 = r10
    r2 += -4
    r1 = map(runs) ll
    call bpf_map_lookup_elem
    if r0 == 0 goto out
    r7 = *(u32 *)(r0 + 0)
    r1 = r7
    r1 += 1
    *(u32 *)(r0 + 0) = r1
    *(u32 *)(r10 - 4) = r7
    r2 = r10
    r2 += -4
    r1 = map(passes) ll
    call bpf_map_lookup_elem
    if r0 == 0 goto out
    r8 = r0
    r1 = *(u32 *)(r6 + 8)       # mark
    *(u32 *)(r8 + 0) = r1
    r1 += 1
    *(u32 *)(r6 + 8) = r1
    r1 = *(u32 *)(r6 + 48)      # cb[0]
    *(u32 *)(r8 + 4) = r1
    r1 += 3
    *(u32 *)(r6 + 48) = r1
    r1 = *(u32 *)(r6 + 44)      # tc_index
    *(u32 *)(r8 + 8) = r1
    r1 += 5
    *(u32 *)(r6 + 44) = r1
    r1 = *(u32 *)(r6 + 72)      # tc_classid: the filter's own, set before every run
    *(u32 *)(r8 + 16) = r1
    r1 += 9
    *(u32 *)(r6 + 72) = r1
    r1 = r6
    r2 = 50
    r3 = r10
    r3 += -8
    r4 = 1
    call bpf_skb_load_bytes
    if r0 != 0 goto out
    r1 = *(u8 *)(r10 - 8)
    *(u32 *)(r8 + 12) = r1
    r1 += 7
    *(u8 *)(r10 - 8) = r1
    r1 = r6
    r2 = 50
    r3 = r10
    r3 += -8
    r4 = 1
    r5 = 0
    call bpf_skb_store_bytes
out:
";

/// Passes there is room for.
const PASSES_MAX: u32 = 40;

/// What a pass found: mark, cb[0], tc_index, the byte at 50, tc_classid.
type Pass = [u32; 5];

/// A filter that traces and returns this.
fn tracing(name: &str, returns: i32) -> Arc<Program> {
    let maps: Arc<[MapSpec]> = Arc::new([
        MapSpec::new("runs", MapType::Array, 4, 4, 1),
        MapSpec::new("passes", MapType::Array, 4, 20, PASSES_MAX),
    ]);
    let code = format!("{TRACE}    r0 = {returns}\n    exit\n");
    let def = ProgramDef::new(name, code);
    Arc::new(assemble_program(&def, &maps).expect("it assembles"))
}

/// How often the program ran, and what its passes found.
fn passes(runs: &[u8], all: impl IntoIterator<Item = Vec<u8>>) -> Vec<Pass> {
    let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    let pass = |value: Vec<u8>| {
        let words: Vec<u32> = value.chunks_exact(4).map(number).collect();
        Pass::try_from(words).expect("five words")
    };
    all.into_iter().take(number(runs) as usize).map(pass).collect()
}

fn frame() -> Vec<u8> {
    let mut frame = [&LiveLink::RECEIVER_MAC[..], &LiveLink::SENDER_MAC, &[0x08, 0x00]].concat();
    frame.extend([0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.resize(60, 0);
    frame
}

/// A program, and what kind of filter it is made.
type Entry<'a> = (&'a Arc<Program>, fn(Filter) -> Filter);

/// A list of filters and what became of one frame: the verdict, and the passes of each filter's program.
fn on_our_hook(
    engine: Engine,
    reclassify: Reclassify,
    filters: &[Entry<'_>],
) -> (Classified, Vec<Vec<Pass>>) {
    let options = Options { engine, ..Options::default() };
    let instances: Vec<Instance> = filters
        .iter()
        .map(|(program, _)| Instance::from_programs(&[Arc::clone(program)], &options).expect("it is ready"))
        .collect();
    let mut hook = Hook::new(Direction::Ingress).with_reclassify(reclassify);
    for ((prio, instance), (_, shape)) in (1..).zip(&instances).zip(filters) {
        let filter = shape(Filter::direct_action(Arc::clone(instance.entry())));
        hook.add(Filter { prio, ..filter }).expect("a few filters");
    }
    let (mut packet, mut exec, bytes) = (Packet::new(), ExecutionContext::new(0), frame());
    let framed = Frame { bytes: Bytes::Copied(&bytes), link: Link::Ethernet, wire_len: 60, time_ns: 0 };
    let skb = packet.load(framed, &skb::Hook::Ingress(Device::default())).expect("an Ethernet frame");
    let done = hook.classify(skb, &mut exec.batch(), &mut NoObserver);
    let seen = instances.iter().map(|instance| {
        let map = |name| instance.map(name).expect("a map of the program");
        let runs = map("runs").lookup(&0_u32.to_le_bytes()).expect("the one entry");
        passes(&runs, (0..PASSES_MAX).map(|at| map("passes").lookup(&at.to_le_bytes()).expect("in range")))
    });
    (done, seen.collect())
}

/// What the first 17 passes find if each leaves what the last one left and more.
fn seventeen(classid: u32) -> Vec<Pass> {
    (0..17).map(|pass| [pass, pass * 3, pass * 5, (pass * 7) & 0xff, classid]).collect()
}

/// For tc, [`classid_reclassify`]. Mirred is the action that kernels have before any other: the copy goes back to the
/// sender, where nobody waits for it, and its control is what decides.
const ACTION_RECLASSIFY: [&[&str]; 2] = [
    &[],
    &[
        "classid",
        "1:7",
        "action",
        "mirred",
        "egress",
        "mirror",
        "dev",
        LiveHook::Ingress.device(),
        "reclassify",
    ],
];

fn direct(filter: Filter) -> Filter {
    filter
}

fn classid_reclassify(filter: Filter) -> Filter {
    Filter::classid(filter.program, 0x0001_0007, vec![Action::Gact(TC_ACT_RECLASSIFY)])
}

#[test]
fn a_direct_action_reclassify_restarts_sixteen_times_in_our_mode() {
    let reclassifies = tracing("reclassifies", TC_ACT_RECLASSIFY);
    for engine in Engine::ALL {
        let (done, seen) = on_our_hook(engine, Reclassify::Verdict, &[(&reclassifies, direct)]);
        assert_eq!(done.verdict, Verdict::Shot(DropReason::TcReclassifyLoop));
        assert_eq!((done.restarts, done.runs, done.retval), (16, 17, 1));
        assert_eq!(seen, [seventeen(0)], "{engine}");
    }
}

/// Both filters, ours and the kernel's: what the first leaves the second finds, and no pass follows.
#[test]
fn linux_reads_a_direct_action_reclassify_as_unspec() {
    let (first, second) = (tracing("first", TC_ACT_RECLASSIFY), tracing("second", TC_ACT_OK));
    let found = vec![vec![[0, 0, 0, 0, 0]], vec![[1, 3, 5, 7, 0]]];
    for engine in Engine::ALL {
        let (done, seen) = on_our_hook(engine, Reclassify::Linux, &[(&first, direct), (&second, direct)]);
        assert_eq!((done.verdict, done.restarts, done.runs), (Verdict::Ok, 0, 2));
        assert_eq!(seen, found, "{engine}");
    }
    let live = on_the_kernels_hook(&[(&first, [&["da"], &[]]), (&second, [&["da"], &[]])]);
    if let Some((dropped, seen)) = live {
        assert_eq!((dropped, seen), (0, found), "the kernel");
    }
}

/// A classid-mode filter whose action reclassifies: 17 runs, then dropped; what each leaves the next finds.
#[test]
fn an_action_reclassifies_sixteen_times_then_drops() {
    let matches = tracing("matches", -1);
    let found = vec![seventeen(7)];
    for engine in Engine::ALL {
        let (done, seen) = on_our_hook(engine, Reclassify::Linux, &[(&matches, classid_reclassify)]);
        assert_eq!(done.verdict, Verdict::Shot(DropReason::TcReclassifyLoop));
        assert_eq!((done.restarts, done.runs), (16, 17));
        assert_eq!(seen, found, "{engine}");
    }
    if let Some((dropped, seen)) = on_the_kernels_hook(&[(&matches, ACTION_RECLASSIFY)]) {
        assert_eq!((dropped, seen), (1, found), "the kernel");
    }
}

/// A filter that passes, before one that reclassifies: both run in every pass.
#[test]
fn a_restart_starts_at_the_first_filter() {
    let (passes_on, matches) = (tracing("passes_on", -1), tracing("matches", -1));
    let mut ours = Vec::new();
    for engine in Engine::ALL {
        let filters: [Entry<'_>; 2] = [(&passes_on, direct), (&matches, classid_reclassify)];
        let (done, seen) = on_our_hook(engine, Reclassify::Linux, &filters);
        assert_eq!((done.verdict.drop_reason(), done.runs), (Some(DropReason::TcReclassifyLoop), 34));
        assert_eq!(seen.iter().map(Vec::len).collect::<Vec<_>>(), [17, 17], "{engine}");
        // tc_classid, which the first one changed, is set again for the second.
        assert!(seen[0].iter().all(|pass| pass[4] == 0) && seen[1].iter().all(|pass| pass[4] == 7));
        ours.push(seen);
    }
    assert_eq!(ours[0], ours[1]);
    if let Some((dropped, seen)) =
        on_the_kernels_hook(&[(&passes_on, [&["da"], &[]]), (&matches, ACTION_RECLASSIFY)])
    {
        assert_eq!((dropped, &seen), (1, &ours[0]), "the kernel");
    }
}

/// The same programs behind a real clsact at ingress: frames dropped by it, and the passes of each. None where there is
/// no such kernel, and says so.
fn on_the_kernels_hook(filters: &[(&Arc<Program>, [&[&str]; 2])]) -> Option<(u64, Vec<Vec<Pass>>)> {
    let kernel = Kernel::or_skip("the kernel's tc")?;
    let live = LiveLink::with(kernel, |link| {
        let mut instances = Vec::new();
        for (prio, (program, options)) in (1..).zip(filters) {
            let instance = KernelInstance::load(kernel, &[Arc::clone(program)]).expect("the kernel takes it");
            let fd = instance.program(&program.name).expect("it was loaded");
            match link.attach(LiveHook::Ingress, prio, fd, *options) {
                Ok(()) => instances.push(instance),
                Err(reason) if reason.to_string().contains("TC action module") => return Err(reason),
                Err(reason) => panic!("{reason}"),
            }
        }
        // Receiving happens in the softirq at the end of sending.
        link.send(&frame()).expect("the frame is sent");
        let seen = instances.iter().map(|instance| {
            let runs = instance.entries("runs").expect("the map can be read");
            let all = instance.entries("passes").expect("the map can be read");
            passes(&runs[&vec![0; 4]], (0..PASSES_MAX).map(|at| all[&at.to_le_bytes().to_vec()].clone()))
        });
        let seen: Vec<Vec<Pass>> = seen.collect();
        let dropped = link.dropped(LiveHook::Ingress).unwrap_or_else(|error| panic!("{error}"));
        Ok((dropped, seen))
    });
    match live {
        Ok(Ok(seen)) => Some(seen),
        Ok(Err(reason)) | Err(reason) => {
            skipped("the kernel's tc", &reason);
            None
        }
    }
}

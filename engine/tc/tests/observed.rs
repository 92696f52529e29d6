//! The rows of the tc notes that were observed on a kernel, table by table, with a scripted program in place of an
//! engine.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bpfreplay_runtime::maps::{Element, Map};
use bpfreplay_runtime::{Batch, Context, Executable, ExecutionContext, ProgramInfo, Redirect, SkBuff};
use bpfreplay_tc::{Action, Classified, Direction, DropReason, Filter, Hook, HookError, NoObserver};
use bpfreplay_tc::{Protocol, Reclassify, Verdict};
use bpfreplay_uapi::ProgType;
use bpfreplay_uapi::tc::*;

type Script = dyn Fn(&mut SkBuff, &mut ExecutionContext) -> u64 + Send + Sync;

/// A program that does what a closure says, and counts its runs.
struct Scripted {
    info: ProgramInfo,
    runs: AtomicU32,
    script: Box<Script>,
}

impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.info.name)
    }
}

impl Executable for Scripted {
    fn info(&self) -> &ProgramInfo {
        &self.info
    }

    fn run(&self, context: Context<'_>, batch: &mut Batch<'_>) -> u64 {
        self.runs.fetch_add(1, Ordering::Relaxed);
        match context {
            Context::Skb(skb) => (self.script)(skb, batch),
            Context::Xdp(_) | Context::Plain(_) => panic!("a classifier takes a packet"),
        }
    }

    fn run_callback(&self, _: u64, _: &Arc<Map>, _: Element, _: &mut Batch<'_>) {
        unreachable!("no timer has a callback of it")
    }

    fn tail_entry(&self) -> usize {
        1
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn program(
    script: impl Fn(&mut SkBuff, &mut ExecutionContext) -> u64 + Send + Sync + 'static,
) -> Arc<Scripted> {
    let info = ProgramInfo {
        id: 1,
        name: "scripted".to_owned(),
        prog_type: ProgType::SchedCls,
        expected_attach_type: 0,
        xdp_has_frags: false,
        jited: false,
        writes_packet: false,
    };
    Arc::new(Scripted { info, runs: AtomicU32::new(0), script: Box::new(script) })
}

fn returns(retval: i64) -> Arc<Scripted> {
    program(move |_, _| retval as u64)
}

fn runs(program: &Scripted) -> u32 {
    program.runs.load(Ordering::Relaxed)
}

fn hook(filters: Vec<Filter>) -> Hook {
    let mut hook = Hook::new(Direction::Ingress);
    for filter in filters {
        hook.add(filter).unwrap();
    }
    hook
}

fn classify(hook: &Hook, skb: &mut SkBuff) -> Classified {
    let mut exec = ExecutionContext::new(0);
    hook.classify(skb, &mut exec.batch(), &mut NoObserver)
}

fn verdict(hook: &Hook) -> Verdict {
    classify(hook, &mut SkBuff::default()).verdict
}

/// An skb without a packet, with these fields set.
fn skb_with(set: impl FnOnce(&mut SkBuff)) -> SkBuff {
    let mut skb = SkBuff::default();
    set(&mut skb);
    skb
}

const SHOT: Verdict = Verdict::Shot(DropReason::TcIngress);

#[test]
fn direct_action_maps_as_cls_bpf_does() {
    // Section 4.1: what stops, and what reads as UNSPEC and goes on to the next filter (which says SHOT here).
    for (retval, expected) in [
        (0, Verdict::Ok),
        (2, SHOT),
        (4, Verdict::Stolen),
        (7, Verdict::Redirect(None)),
        (8, Verdict::Trap),
        (-1, Verdict::Unspec),
    ] {
        assert_eq!(verdict(&hook(vec![Filter::direct_action(returns(retval))])), expected, "{retval}");
    }
    for retval in [-1, 1, 3, 5, 6, 9, 100, 0x1000_0001, 0x2000_0001, 0x7fff_ffff, 0x8000_0000, -2] {
        let next = returns(2);
        let filters = vec![
            Filter { prio: 1, ..Filter::direct_action(returns(retval)) },
            Filter { prio: 2, ..Filter::direct_action(next.clone()) },
        ];
        assert_eq!(verdict(&hook(filters)), SHOT, "{retval}");
        assert_eq!(runs(&next), 1, "{retval}");
    }
    // The return value is the low 32 bits of r0.
    assert_eq!(verdict(&hook(vec![Filter::direct_action(returns(0x7_0000_0002))])), SHOT);
}

#[test]
fn direct_action_takes_its_class_from_the_program() {
    // Section 5, OK: tc_index becomes the minor number, whatever the program stored there.
    let keeps = program(|skb, _| {
        skb.tc_index = 0x33;
        0
    });
    let writes = program(|skb, _| {
        skb.tc_classid = 0x20;
        0
    });
    let continues = program(|skb, _| {
        skb.tc_index = 0x33;
        u64::MAX
    });
    for (program, classid, tc_index) in
        [(keeps.clone(), 0, 0), (keeps, 0x1_0007, 7), (writes, 0x1_0000, 0x20), (continues, 0x1_0007, 0x33)]
    {
        let mut skb = SkBuff::default();
        classify(&hook(vec![Filter { classid, ..Filter::direct_action(program) }]), &mut skb);
        assert_eq!(skb.tc_index, tc_index);
    }
}

#[test]
fn tc_classid_is_reset_before_each_filter() {
    let first = program(|skb, _| {
        skb.tc_classid = 0x99;
        u64::MAX
    });
    let second = program(|skb, _| {
        assert_eq!(skb.tc_classid, 0x20);
        0
    });
    let filters = vec![
        Filter { prio: 1, classid: 0x1_0010, ..Filter::direct_action(first) },
        Filter { prio: 2, classid: 0x1_0020, ..Filter::direct_action(second) },
    ];
    let mut skb = SkBuff::default();
    classify(&hook(filters), &mut skb);
    assert_eq!(skb.tc_index, 0x20);
}

#[test]
fn classid_mode_reads_the_return_value_as_a_class() {
    // Section 4.2: (return, verdict, tc_index after the hook); the skb comes with tc_index 0x44.
    for (retval, expected, tc_index) in [
        (0, Verdict::Unspec, 0x44),
        (-1, Verdict::Ok, 7),
        (5, Verdict::Ok, 5),
        (0x1_0005, Verdict::Ok, 5),
        (0x2_0003, Verdict::Ok, 3),
        (1, Verdict::Ok, 1),
        (2, Verdict::Ok, 2),
    ] {
        let program = program(move |skb, _| {
            skb.tc_classid = 0x77; // ignored in this mode
            retval as u64
        });
        let mut skb = skb_with(|skb| skb.tc_index = 0x44);
        let done = classify(&hook(vec![Filter::classid(program, 0x1_0007, vec![])]), &mut skb);
        assert_eq!((done.verdict, skb.tc_index), (expected, tc_index), "{retval}");
    }
}

#[test]
fn actions_decide_after_a_match() {
    // Section 5, "as final action result", and section 7: UNSPEC ("continue") is no match.
    for (control, expected) in [
        (TC_ACT_OK, Verdict::Ok),
        (TC_ACT_SHOT, SHOT),
        (TC_ACT_PIPE, Verdict::Pipe),
        (TC_ACT_STOLEN, Verdict::Stolen),
        (TC_ACT_QUEUED, Verdict::Queued),
        (TC_ACT_REPEAT, Verdict::Ok),
        (TC_ACT_REDIRECT, Verdict::Redirect(None)),
        (TC_ACT_TRAP, Verdict::Trap),
        (100, Verdict::Other(100)),
    ] {
        let next = returns(2);
        let filters = vec![
            Filter { prio: 1, ..Filter::classid(returns(-1), 0, vec![Action::Gact(control)]) },
            Filter { prio: 2, ..Filter::direct_action(next.clone()) },
        ];
        let mut skb = skb_with(|skb| skb.tc_index = 0x44);
        assert_eq!(classify(&hook(filters), &mut skb).verdict, expected, "{control}");
        assert_eq!(runs(&next), 0, "{control}");
        assert_eq!(skb.tc_index, if expected == Verdict::Ok { 0 } else { 0x44 });
    }
    let filters = vec![
        Filter { prio: 1, ..Filter::classid(returns(-1), 0, vec![Action::Gact(TC_ACT_UNSPEC)]) },
        Filter { prio: 2, ..Filter::direct_action(returns(4)) },
    ];
    assert_eq!(verdict(&hook(filters)), Verdict::Stolen);
}

#[test]
fn reclassify_by_an_action_runs_seventeen_times_then_drops() {
    // Section 6: one filter; and a filter that goes on before it, which runs as often.
    let program = returns(-1);
    let looping = Filter::classid(program.clone(), 0, vec![Action::Gact(TC_ACT_RECLASSIFY)]);
    assert_eq!(verdict(&hook(vec![looping.clone()])), Verdict::Shot(DropReason::TcReclassifyLoop));
    assert_eq!(runs(&program), 17);

    let before = returns(-1);
    let filters =
        vec![Filter { prio: 1, ..Filter::direct_action(before.clone()) }, Filter { prio: 2, ..looping }];
    let done = classify(&hook(filters), &mut SkBuff::default());
    assert_eq!((runs(&before), done.runs, done.restarts), (17, 34, 16));
}

#[test]
fn goto_chain_shares_the_limit_and_never_returns() {
    // Section 6: chain 0 <-> chain 1 is 9 + 8 runs, then dropped.
    let (zero, one) = (returns(-1), returns(-1));
    let goto = |n: i32| vec![Action::Gact(TC_ACT_GOTO_CHAIN | n)];
    let filters = vec![
        Filter::classid(zero.clone(), 0, goto(1)),
        Filter { chain: 1, ..Filter::classid(one.clone(), 0, goto(0)) },
    ];
    assert_eq!(verdict(&hook(filters)), Verdict::Shot(DropReason::TcReclassifyLoop));
    assert_eq!((runs(&zero), runs(&one)), (9, 8));

    // A chain without a match accepts: the SHOT behind the jump is not reached.
    for target in [1, 5] {
        let filters = vec![
            Filter { prio: 1, ..Filter::classid(returns(-1), 0, goto(target)) },
            Filter { prio: 2, ..Filter::direct_action(returns(2)) },
            Filter { chain: 1, ..Filter::direct_action(returns(-1)) },
        ];
        assert_eq!(verdict(&hook(filters)), Verdict::Unspec);
    }

    // RECLASSIFY goes back to chain 0, also from chain 1.
    let zero = returns(-1);
    let filters = vec![
        Filter::classid(zero.clone(), 0, goto(1)),
        Filter { chain: 1, ..Filter::classid(returns(-1), 0, vec![Action::Gact(TC_ACT_RECLASSIFY)]) },
    ];
    assert_eq!(verdict(&hook(filters)), Verdict::Shot(DropReason::TcReclassifyLoop));
    assert_eq!(runs(&zero), 9);
}

#[test]
fn a_program_may_reclassify_in_our_mode_only() {
    let filters = |program| vec![Filter::direct_action(program)];
    let always = returns(1);
    assert_eq!(verdict(&hook(filters(always.clone()))), Verdict::Unspec);
    assert_eq!(runs(&always), 1);

    let ours = |program| hook(filters(program)).with_reclassify(Reclassify::Verdict);
    let always = returns(1);
    assert_eq!(verdict(&ours(always.clone())), Verdict::Shot(DropReason::TcReclassifyLoop));
    assert_eq!(runs(&always), 17);

    // What a pass leaves in mark, cb and tc_index is there in the next one.
    let thrice = program(|skb, _| {
        assert_eq!((skb.mark, skb.tc_index), (skb.cb[0] * 10, skb.cb[0] as u16));
        if skb.cb[0] == 2 {
            return 4;
        }
        skb.cb[0] += 1;
        skb.mark += 10;
        skb.tc_index += 1;
        1
    });
    let mut skb = SkBuff::default();
    let done = classify(&ours(thrice), &mut skb);
    assert_eq!((done.verdict, done.runs, done.restarts, done.retval), (Verdict::Stolen, 3, 2, 4));
    assert_eq!((skb.cb[0], skb.mark, skb.tc_index), (2, 20, 2));
}

#[test]
fn protocol_match_prefers_the_tag_in_the_metadata() {
    // Section 3, the observed table: which of ip, arp, ipv6, 802.1q, all run.
    let ethertypes = [0x0800, 0x0806, 0x86dd, 0x8100];
    let tagged = |tag: u16, ethertype: u16| {
        skb_with(|skb| {
            skb.vlan_present = 1;
            skb.vlan_proto = tag.to_be();
            skb.protocol = ethertype.to_be();
        })
    };
    let plain = |ethertype: u16| skb_with(|skb| skb.protocol = ethertype.to_be());
    for (name, mut skb, expected) in [
        ("IPv4", plain(0x0800), [1, 0, 0, 0, 1]),
        ("802.1Q(IPv4)", tagged(0x8100, 0x0800), [0, 0, 0, 1, 1]),
        ("QinQ", tagged(0x88a8, 0x8100), [0, 0, 0, 0, 1]),
        ("ARP", plain(0x0806), [0, 1, 0, 0, 1]),
        ("802.3 length", plain(0x0004), [0, 0, 0, 0, 1]),
    ] {
        let programs: Vec<Arc<Scripted>> = (0..5).map(|_| returns(-1)).collect();
        let mut hook = Hook::new(Direction::Ingress);
        for (n, program) in programs.iter().enumerate() {
            let protocol = ethertypes.get(n).map_or(Protocol::All, |&t| Protocol::EtherType(t));
            let prio = 1 + n as u16;
            hook.add(Filter { prio, protocol, ..Filter::direct_action(program.clone()) }).unwrap();
        }
        classify(&hook, &mut skb);
        assert_eq!(programs.iter().map(|p| runs(p)).collect::<Vec<_>>(), expected, "{name}");
    }
}

#[test]
fn filters_are_ordered_as_tc_orders_them() {
    // Section 3: automatic preferences count down, so later filters run first; within one preference the newest does.
    let mut hook = Hook::new(Direction::Ingress);
    for classid in 1..=3 {
        hook.add(Filter { classid, ..Filter::direct_action(returns(-1)) }).unwrap();
    }
    let order = |hook: &Hook| hook.filters().iter().map(|f| (f.prio, f.classid)).collect::<Vec<_>>();
    assert_eq!(order(&hook), [(49150, 3), (49151, 2), (49152, 1)]);
    hook.add(Filter { prio: 49151, classid: 4, ..Filter::direct_action(returns(-1)) }).unwrap();
    assert_eq!(order(&hook), [(49150, 3), (49151, 4), (49151, 2), (49152, 1)]);

    let arp =
        Filter { prio: 49151, protocol: Protocol::EtherType(0x0806), ..Filter::direct_action(returns(0)) };
    assert_eq!(hook.add(arp), Err(HookError::ProtocolMismatch { prio: 49151, existing: Protocol::All }));
    let many = Filter::classid(returns(-1), 0, vec![Action::Gact(TC_ACT_PIPE); 33]);
    assert_eq!(hook.add(many), Err(HookError::TooManyActions { count: 33 }));
    hook.add(Filter { prio: 1, ..Filter::direct_action(returns(0)) }).unwrap();
    assert_eq!(hook.add(Filter::direct_action(returns(0))), Err(HookError::NoPriorityLeft));
}

#[test]
fn a_redirect_takes_the_last_target_of_the_hook_run() {
    // Section 8: program A names a device and goes on, program B returns REDIRECT without naming one.
    let names = program(|_, exec| {
        exec.redirect = Some(Redirect { ifindex: 7, flags: 0 });
        u64::MAX
    });
    let filters = vec![
        Filter { prio: 1, ..Filter::direct_action(names) },
        Filter { prio: 2, ..Filter::direct_action(returns(7)) },
    ];
    let hook = hook(filters);
    let target = Some(Redirect { ifindex: 7, flags: 0 });
    assert_eq!(verdict(&hook), Verdict::Redirect(target));

    // It does not leak into the next packet.
    let mut exec = ExecutionContext::new(0);
    exec.redirect = target;
    let bare = Hook::new(Direction::Ingress);
    let mut bare = bare;
    bare.add(Filter::direct_action(returns(7))).unwrap();
    let done = bare.classify(&mut SkBuff::default(), &mut exec.batch(), &mut NoObserver);
    assert_eq!(done.verdict, Verdict::Redirect(None));
}

#[test]
fn egress_drops_for_its_own_reason_and_an_empty_hook_accepts() {
    let mut egress = Hook::new(Direction::Egress);
    assert_eq!(verdict(&egress), Verdict::Unspec);
    assert!(verdict(&egress).accepted());
    egress.add(Filter::direct_action(returns(2))).unwrap();
    assert_eq!(verdict(&egress), Verdict::Shot(DropReason::TcEgress));
    assert!(!verdict(&egress).accepted());
}

//! Helpers get checked arguments, and answers come back.

use bpfreplay_runtime::{FaultKind, SKB_LAYOUT};
use bpfreplay_uapi::MapType;
use bpfreplay_uapi::skb::SkbField;

use super::{CPU, Maps, run, run_in};

fn maps() -> Maps {
    Maps::default().with("hash", MapType::Hash, 4, 8, 16).with("percpu", MapType::PercpuArray, 4, 8, 2).with(
        "jmp_table",
        MapType::ProgArray,
        4,
        4,
        4,
    )
}

/// The argument, from 1, that the run faults for.
fn bad_argument(source: &str) -> u8 {
    let kind = run_in(&maps(), source).unwrap_err().kind;
    let FaultKind::BadArgument(argument) = kind else { panic!("{kind:?}: {source}") };
    argument
}

#[test]
fn maps_are_looked_up_updated_and_deleted() {
    let maps = maps();
    let source = "
        *(u32 *)(r10 - 4) = 7
        *(u64 *)(r10 - 16) = 70
        r1 = map(hash) ll
        r2 = r10
        r2 += -4
        r3 = r10
        r3 += -16
        r4 = 0
        call bpf_map_update_elem
        r1 = map(hash) ll
        r2 = r10
        r2 += -4
        call bpf_map_lookup_elem
        if r0 == 0 goto none
        r0 = *(u64 *)(r0 + 0)
    none:
        exit";
    assert_eq!(run_in(&maps, source), Ok(70));
    assert_eq!(maps.get("hash").lookup(&7u32.to_le_bytes()).unwrap(), 70u64.to_le_bytes());
}

#[test]
fn per_cpu_values_are_the_worker_s() {
    let maps = maps();
    let source = "
        *(u32 *)(r10 - 4) = 1
        r1 = map(percpu) ll
        r2 = r10
        r2 += -4
        call bpf_map_lookup_elem
        if r0 == 0 goto none
        *(u64 *)(r0 + 0) = 5
        call bpf_get_smp_processor_id
    none:
        exit";
    assert_eq!(run_in(&maps, source), Ok(u64::from(CPU)));
    let values = maps.get("percpu").lookup(&1u32.to_le_bytes()).unwrap();
    assert_eq!(values.chunks(8).map(|v| v[0]).collect::<Vec<_>>(), [0, 5]);
}

#[test]
fn arguments_are_checked_by_prototype() {
    let lookup = |r1: &str, r2: &str| format!("r6 = r1\n{r1}\n{r2}\ncall bpf_map_lookup_elem\nr0 = 0\nexit");
    let (hash, key) = ("r1 = map(hash) ll", "r2 = r10\nr2 += -4");
    assert_eq!(run_in(&maps(), &lookup(hash, key)), Ok(0));
    assert_eq!(bad_argument(&lookup("r1 = 5", key)), 1);
    assert_eq!(bad_argument(&lookup("r1 = r10", key)), 1);
    assert_eq!(bad_argument(&lookup("r1 = map(jmp_table) ll", key)), 1);
    assert_eq!(bad_argument(&lookup(hash, "r2 = 0")), 2);
    assert_eq!(bad_argument(&lookup(hash, "r2 = r10\nr2 += -3")), 2);

    let load = |r1: &str, r3: &str, r4: &str| {
        format!("r6 = r1\n{r1}\nr2 = 0\n{r3}\n{r4}\ncall bpf_skb_load_bytes\nr0 = *(u8 *)(r10 - 1)\nexit")
    };
    let (ctx, to) = ("r1 = r6", "r3 = r10\nr3 += -8");
    assert_eq!(run(&load(ctx, to, "r4 = 8")), Ok(7));
    assert_eq!(bad_argument(&load("r1 = r10", to, "r4 = 8")), 1);
    assert_eq!(bad_argument(&load("r1 += 4", to, "r4 = 8")), 1);
    assert_eq!(bad_argument(&load(ctx, to, "r4 = 9")), 3);
    assert_eq!(bad_argument(&load(ctx, to, "r4 = -1")), 3);
    assert_eq!(bad_argument(&load(ctx, "r3 = r6", "r4 = 8")), 3);
    assert_eq!(bad_argument(&load(ctx, to, "r4 = 0")), 4);
    // bpf_skb_load_bytes may not fill the packet: it has no pkt_access.
    let data = format!("r3 = *(u64 *)(r6 + {})", SKB_LAYOUT.field(SkbField::Data).off);
    assert_eq!(bad_argument(&load(ctx, &data, "r4 = 8")), 3);
}

#[test]
fn packet_memory_is_an_argument_where_the_prototype_says_so() {
    let data = SKB_LAYOUT.field(SkbField::Data).off;
    let source = |size: u32| {
        format!(
            "r3 = *(u64 *)(r1 + {data})
             r1 = 0
             r2 = 0
             r4 = {size}
             r5 = 0
             call bpf_csum_diff
             exit"
        )
    };
    // 00 01 02 03 as a sum of 16-bit words in memory order.
    assert_eq!(run(&source(4)), Ok(0x0402));
    assert_eq!(run(&source(68)).unwrap_err().kind, FaultKind::BadArgument(3));
}

#[test]
fn a_moved_packet_is_reached_through_new_pointers() {
    let data = SKB_LAYOUT.field(SkbField::Data).off;
    let source = format!(
        "r6 = r1
         r2 = 64
         call bpf_skb_pull_data
         r2 = *(u64 *)(r6 + {data})
         r0 = *(u8 *)(r2 + 63)
         exit"
    );
    assert_eq!(run(&source), Ok(63));
}

#[test]
fn caller_saved_registers_do_not_survive_a_call() {
    assert!(run("r1 = r10\nr1 += -8\ncall bpf_ktime_get_ns\nr0 = *(u64 *)(r1 + 0)\nexit").is_err());
}

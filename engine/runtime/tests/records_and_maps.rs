//! Records, locks, inner maps, redirect targets and evictions as programs see them: helpers called as the interpreter
//! calls them. What the kernel can judge step by step is in `tests/cases/maps`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bpfreplay_isa::Size;
use bpfreplay_program::MapSpec;
use bpfreplay_runtime::memory::Stack;
use bpfreplay_runtime::skb::{Bytes, Device, Frame, Hook, Link};
use bpfreplay_runtime::xdp::XdpHook;
use bpfreplay_runtime::{
    Context, ExecutionContext, FaultKind, Map, Memory, Packet, Redirect, SkBuff, XdpPacket,
};
use bpfreplay_uapi::{HelperId, MapType};

fn map(map_type: MapType, key: u32, value: u32, max: u32) -> Arc<Map> {
    Map::create(&MapSpec::new("m", map_type, key, value, max), 2).unwrap()
}

/// A worker that runs programs.
struct Worker {
    stack: Stack,
    exec: ExecutionContext,
    maps: Vec<Arc<Map>>,
}

/// One run of a program: where its key and value are on the stack.
struct Run<'w> {
    memory: Memory<'w>,
    exec: &'w mut ExecutionContext,
    maps: &'w [Arc<Map>],
    key: u64,
    value: u64,
}

impl Worker {
    fn new(maps: &[&Arc<Map>]) -> Worker {
        let maps = maps.iter().map(|map| Arc::clone(map)).collect();
        Worker { stack: Stack::new(), exec: ExecutionContext::new(0), maps }
    }

    fn run(&mut self) -> Run<'_> {
        let mut memory = Memory::new(&mut self.stack, Context::Plain(&[]));
        let fp = memory.push_frame().unwrap();
        Run { memory, exec: &mut self.exec, maps: &self.maps, key: fp - 256, value: fp - 128 }
    }
}

impl Run<'_> {
    fn call(&mut self, helper: HelperId, args: [u64; 5]) -> Result<u64, FaultKind> {
        self.memory.call(self.maps, helper, args, self.exec)
    }

    fn store(&mut self, addr: u64, value: u64) -> Result<(), FaultKind> {
        self.memory.store(self.maps, addr, Size::Dw, value)
    }

    fn load(&self, addr: u64) -> Result<u64, FaultKind> {
        self.memory.load(self.maps, addr, Size::Dw)
    }

    fn lookup(&mut self, map: u64, key: u64) -> u64 {
        self.store(self.key, key).unwrap();
        self.call(HelperId::MapLookupElem, [map, self.key, 0, 0, 0]).unwrap()
    }
}

/// A frame as the ingress hook shows it.
fn shown<'p>(packet: &'p mut Packet, bytes: &'p [u8]) -> &'p mut SkBuff {
    let frame =
        Frame { bytes: Bytes::Copied(bytes), link: Link::Ethernet, wire_len: bytes.len() as u32, time_ns: 0 };
    packet.load(frame, &Hook::Ingress(Device::default())).unwrap()
}

fn drained(map: &Map, cpu: u32) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    map.drain(cpu, &mut Vec::new(), |record| records.push(record.to_vec()));
    records
}

#[test]
fn a_record_is_the_programs_between_reserve_and_submit() {
    let ring = map(MapType::Ringbuf, 0, 0, 4096);
    let mut worker = Worker::new(&[&ring]);
    let mut run = worker.run();
    let record = run.call(HelperId::RingbufReserve, [ring.address(), 16, 0, 0, 0]).unwrap();
    run.store(record, 1).unwrap();
    run.store(record + 8, 2).unwrap();
    assert!(matches!(run.store(record + 16, 3), Err(FaultKind::OutOfBounds { .. })));
    assert!(matches!(run.store(record - 8, 3), Err(FaultKind::OutOfBounds { .. })));
    assert!(matches!(run.load(record + 9), Err(FaultKind::OutOfBounds { .. })));
    let submit = |run: &mut Run<'_>, at| run.call(HelperId::RingbufSubmit, [at, 0, 0, 0, 0]);
    assert_eq!(submit(&mut run, record + 8), Err(FaultKind::BadArgument(1)));
    assert_eq!(drained(&ring, 0).len(), 0);
    assert_eq!(submit(&mut run, record), Ok(0));
    assert_eq!(submit(&mut run, record), Err(FaultKind::BadArgument(1)));
    assert!(run.load(record).is_err());
    drop(run);
    assert_eq!(drained(&ring, 0), [[1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]]);
    assert_eq!(drained(&ring, 1).len(), 0);
}

#[test]
fn a_run_that_ends_early_discards_its_records() {
    let ring = map(MapType::Ringbuf, 0, 0, 4096);
    let mut worker = Worker::new(&[&ring]);
    let mut run = worker.run();
    run.call(HelperId::RingbufReserve, [ring.address(), 16, 0, 0, 0]).unwrap();
    let value = run.value;
    run.store(value, 7).unwrap();
    run.call(HelperId::RingbufOutput, [ring.address(), value, 3, 0, 0]).unwrap();
    drop(run);
    assert_eq!(drained(&ring, 0), [[7, 0, 0]]);
}

#[test]
fn every_worker_has_a_ring_of_its_own() {
    let ring = map(MapType::Ringbuf, 0, 0, 4096);
    let mut worker = Worker::new(&[&ring]);
    for cpu in [1, 0, 2] {
        worker.exec.cpu = cpu;
        let mut run = worker.run();
        let value = run.value;
        run.store(value, u64::from(cpu)).unwrap();
        let sent = run.call(HelperId::RingbufOutput, [ring.address(), value, 1, 0, 0]).unwrap() as i64;
        assert_eq!(sent, if cpu == 2 { -11 } else { 0 });
    }
    assert_eq!(drained(&ring, 1), [[1]]);
    assert_eq!(drained(&ring, 0), [[0]]);
}

#[test]
fn perf_samples_go_to_the_buffer_of_their_cpu() {
    let array = map(MapType::PerfEventArray, 4, 4, 2);
    let mut worker = Worker::new(&[&array]);
    assert_eq!(array.open_perf_buffer(2).unwrap_err().errno.name(), "E2BIG");
    array.open_perf_buffer(0).unwrap();
    assert_eq!(array.entries(), 1);
    let mut packet = Packet::new();
    let bytes: Vec<u8> = (0..64).collect();
    let skb = shown(&mut packet, &bytes);
    let mut memory = Memory::new(&mut worker.stack, Context::Skb(skb));
    let (ctx, data) = (memory.context_address(), memory.push_frame().unwrap() - 8);
    memory.store(&worker.maps, data, Size::Dw, 0xaabb).unwrap();
    let mut output = |flags: u64, exec: &mut ExecutionContext| {
        let args = [ctx, array.address(), flags, data, 2];
        memory.call(&worker.maps, HelperId::PerfEventOutput, args, exec).unwrap() as i64
    };
    let current = 0xffff_ffff;
    let mut exec = ExecutionContext::new(0);
    assert_eq!(output(current, &mut exec), 0);
    assert_eq!(output(0, &mut exec), 0);
    assert_eq!(output(3 << 32 | current, &mut exec), 0);
    assert_eq!(output(65 << 32 | current, &mut exec), -14);
    assert_eq!(output(1, &mut exec), -2);
    assert_eq!(output(2, &mut exec), -7);
    assert_eq!(output(1 << 52, &mut exec), -22);
    exec.cpu = 1;
    assert_eq!(output(current, &mut exec), -2);
    array.open_perf_buffer(1).unwrap();
    assert_eq!(output(0, &mut exec), -95);
    drop(memory);
    assert_eq!(drained(&array, 0), [vec![0xbb, 0xaa], vec![0xbb, 0xaa], vec![0xbb, 0xaa, 0, 1, 2]]);
}

#[test]
fn a_full_perf_buffer_loses_and_counts() {
    let array = map(MapType::PerfEventArray, 4, 4, 1);
    array.open_perf_buffer(0).unwrap();
    let mut worker = Worker::new(&[&array]);
    let bytes = [0; 64];
    let (mut sent, mut packet) = (0, Packet::new());
    let skb = shown(&mut packet, &bytes);
    let mut memory = Memory::new(&mut worker.stack, Context::Skb(skb));
    let (ctx, data) = (memory.context_address(), memory.push_frame().unwrap() - 504);
    let args = [ctx, array.address(), 0xffff_ffff, data, 504];
    loop {
        match memory.call(&worker.maps, HelperId::PerfEventOutput, args, &mut worker.exec).unwrap() as i64 {
            0 => sent += 1,
            error => break assert_eq!(error, -28),
        }
    }
    drop(memory);
    // 512 bytes each; the last would leave no byte free.
    assert_eq!(sent, 511);
    assert_eq!(array.records_lost(0), 1);
    assert_eq!(drained(&array, 0).len(), 511);
}

#[test]
fn a_lock_is_taken_once_and_let_go_of() {
    let array = map(MapType::Array, 4, 8, 1);
    let mut worker = Worker::new(&[&array]);
    let mut run = worker.run();
    let lock = run.lookup(array.address(), 0);
    let call = |run: &mut Run<'_>, helper, at| run.call(helper, [at, 0, 0, 0, 0]);
    assert_eq!(call(&mut run, HelperId::SpinLock, lock + 2), Err(FaultKind::BadArgument(1)));
    assert_eq!(call(&mut run, HelperId::SpinUnlock, lock), Err(FaultKind::BadArgument(1)));
    assert_eq!(call(&mut run, HelperId::SpinLock, lock), Ok(0));
    assert_eq!(run.load(lock).unwrap(), 1);
    assert_eq!(call(&mut run, HelperId::SpinLock, lock + 4), Err(FaultKind::BadArgument(1)));
    assert_eq!(call(&mut run, HelperId::SpinUnlock, lock), Ok(0));
    assert_eq!(run.load(lock).unwrap(), 0);
    assert_eq!(call(&mut run, HelperId::SpinLock, lock), Ok(0));
    // A run that ends at a fault leaves nobody waiting.
    drop(run);
    assert_eq!(array.lookup(&[0; 4]).unwrap(), [0; 8]);
}

#[test]
fn what_a_program_looks_up_stays_in_an_lru_map() {
    let lru = map(MapType::LruHash, 8, 8, 16);
    let mut worker = Worker::new(&[&lru]);
    let key = |n: u64| n.to_le_bytes();
    for n in 0..16u64 {
        lru.update(&key(n), &key(n), 0).unwrap();
    }
    for n in 16..200 {
        assert_ne!(worker.run().lookup(lru.address(), 3), 0, "{n}");
        lru.update(&key(n), &key(n), 0).unwrap();
        assert_eq!(lru.entries(), 16);
    }
    // A lookup by user space is none: the element goes within a round, however many slots wait for batches.
    let goes = (200..1000).find(|n| {
        let _ = lru.lookup(&key(3));
        lru.update(&key(*n), &key(*n), 0).unwrap();
        lru.lookup(&key(3)).is_err()
    });
    assert!(goes.is_some());
}

#[test]
fn workers_insert_into_a_full_lru_map_all_at_once() {
    let lru = map(MapType::LruHash, 8, 8, 64);
    std::thread::scope(|scope| {
        for worker in 0..4u64 {
            let lru = &lru;
            scope.spawn(move || {
                let mut exec = ExecutionContext::new(0);
                for n in 0..20_000u64 {
                    let _batch = exec.batch();
                    let key = (n << 2 | worker).to_le_bytes();
                    lru.update(&key, &key, 0).unwrap();
                    if let Ok(value) = lru.lookup(&key) {
                        assert_eq!(value, key);
                    }
                }
            });
        }
    });
    let mut keys = 0;
    lru.for_each(|key, value| {
        assert_eq!(key, value);
        keys += 1;
    })
    .unwrap();
    assert_eq!((keys, lru.entries()), (64, 64));
}

#[test]
fn an_inner_map_lives_while_a_run_has_it() {
    let inner = |value: u64| {
        let inner = map(MapType::Array, 4, 8, 1);
        inner.update(&[0; 4], &value.to_le_bytes(), 0).unwrap();
        inner
    };
    let mut spec = MapSpec::new("outer", MapType::ArrayOfMaps, 4, 4, 1);
    spec.inner = Some(Box::new(MapSpec::new("inner", MapType::Array, 4, 8, 1)));
    let outer = Map::create(&spec, 2).unwrap();
    let first = inner(1);
    let dropped = Arc::downgrade(&first);
    outer.update_inner(&[0; 4], &first, 0).unwrap();
    drop(first);
    let mut worker = Worker::new(&[&outer]);
    let mut run = worker.run();
    let found = run.lookup(outer.address(), 0);
    outer.update_inner(&[0; 4], &inner(2), 0).unwrap();
    let value = run.lookup(found, 0);
    assert_eq!(run.load(value).unwrap(), 1);
    let found = run.lookup(outer.address(), 0);
    let value = run.lookup(found, 0);
    assert_eq!(run.load(value).unwrap(), 2);
    drop(run);
    assert_eq!(worker.run().memory.load(&worker_maps(&outer), value, Size::Dw), out_of_bounds(value));
    for _ in 0..1000 {
        crossbeam_epoch::pin().flush();
    }
    assert!(dropped.upgrade().is_none(), "nobody has it any more");
}

fn worker_maps(map: &Arc<Map>) -> [Arc<Map>; 1] {
    [Arc::clone(map)]
}

fn out_of_bounds(addr: u64) -> Result<u64, FaultKind> {
    Err(FaultKind::OutOfBounds { addr, size: 8 })
}

#[test]
fn inner_maps_change_while_workers_use_them() {
    let mut spec = MapSpec::new("outer", MapType::HashOfMaps, 4, 4, 4);
    spec.inner = Some(Box::new(MapSpec::new("inner", MapType::Array, 4, 8, 1)));
    let outer = Map::create(&spec, 2).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let (outer, stop) = (&outer, &stop);
            scope.spawn(move || {
                let mut worker = Worker::new(&[outer]);
                let mut exec = ExecutionContext::new(0);
                while !stop.load(Ordering::Relaxed) {
                    let _batch = exec.batch();
                    let mut run = worker.run();
                    let found = run.lookup(outer.address(), 1);
                    if found != 0 {
                        let value = run.lookup(found, 0);
                        assert_eq!(run.load(value).unwrap() & 0xffff_0000, 0x1234_0000);
                    }
                }
            });
        }
        for n in 0..2000u64 {
            let inner = map(MapType::Array, 4, 8, 1);
            inner.update(&[0; 4], &(0x1234_0000 | n).to_le_bytes(), 0).unwrap();
            outer.update_inner(&[1, 0, 0, 0], &inner, 0).unwrap();
            if n % 7 == 0 {
                outer.delete(&[1, 0, 0, 0]).unwrap();
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_redirect_by_map_hits_or_misses() {
    let devmap = map(MapType::Devmap, 4, 4, 4);
    let hash = map(MapType::DevmapHash, 4, 4, 4);
    let cpumap = map(MapType::Cpumap, 4, 4, 4);
    let xskmap = map(MapType::Xskmap, 4, 4, 4);
    let set =
        |map: &Map, key: u32, value: u32| map.update(&key.to_le_bytes(), &value.to_le_bytes(), 0).unwrap();
    set(&devmap, 1, 7);
    set(&hash, 1000, 8);
    set(&cpumap, 1, 128);
    let mut worker = Worker::new(&[&devmap, &hash, &cpumap, &xskmap]);
    let mut packet = XdpPacket::new();
    let mut redirect = |map: &Map, index: u64, flags: u64| {
        let xdp = packet.load(Bytes::Copied(&[0; 64]), &XdpHook::TestRun).unwrap();
        let mut memory = Memory::new(&mut worker.stack, Context::Xdp(xdp));
        let args = [map.address(), index, flags, 0, 0];
        let verdict = memory.call(&worker.maps, HelperId::RedirectMap, args, &mut worker.exec).unwrap();
        (verdict, worker.exec.redirect.take())
    };
    let to = |ifindex, flags| Some(Redirect { ifindex, flags });
    assert_eq!(redirect(&devmap, 1, 0), (4, to(7, 0)));
    assert_eq!(redirect(&devmap, 1, 2), (4, to(7, 0)));
    assert_eq!(redirect(&hash, 1000, 0), (4, to(8, 0)));
    assert_eq!(redirect(&cpumap, 1, 0), (4, to(1, 0)));
    for flags in 0..4 {
        assert_eq!(redirect(&devmap, 2, flags), (flags, None));
        assert_eq!(redirect(&devmap, 9, flags), (flags, None));
        assert_eq!(redirect(&hash, 1, flags), (flags, None));
        assert_eq!(redirect(&xskmap, 1, flags), (flags, None));
    }
    assert_eq!(redirect(&devmap, 1, 4), (0, None));
    assert_eq!(redirect(&devmap, 2, 8), (4, to(0, 8)));
    assert_eq!(redirect(&hash, 2, 24), (4, to(0, 24)));
    assert_eq!(redirect(&cpumap, 1, 8), (0, None));
}

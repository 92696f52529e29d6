//! Maps against the observation tables: creation, user space's operations, what programs get.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bpfreplay_program::{MapContent, MapSpec};
use bpfreplay_runtime::memory::Stack;
use bpfreplay_runtime::{Context, ExecutionContext, Map, Memory};
use bpfreplay_uapi::map::create_flags::{
    INNER_MAP, MMAPABLE, NO_COMMON_LRU, NO_PREALLOC, NUMA_NODE, PRESERVE_ELEMS, RDONLY, RDONLY_PROG,
    STACK_BUILD_ID, WRONLY, WRONLY_PROG, ZERO_SEED,
};
use bpfreplay_uapi::map::update_flags::{ANY, EXIST, F_LOCK, NOEXIST};
use bpfreplay_uapi::{Errno, HelperId, MapType};

fn spec(map_type: MapType, key: u32, value: u32, max: u32) -> MapSpec {
    MapSpec::new("m", map_type, key, value, max)
}

fn map(map_type: MapType, key: u32, value: u32, max: u32) -> Arc<Map> {
    Map::create(&spec(map_type, key, value, max), 2).unwrap()
}

fn created(map_type: MapType, key: u32, value: u32, max: u32, flags: u32) -> Option<Errno> {
    let spec = MapSpec { map_flags: flags, ..spec(map_type, key, value, max) };
    Map::create(&spec, 2).err().map(|error| error.errno)
}

fn errno<T: std::fmt::Debug>(result: Result<T, bpfreplay_runtime::MapError>) -> Errno {
    result.unwrap_err().errno
}

#[test]
fn creation_checks_sizes_and_flags_as_the_kernel() {
    use Errno::{E2BIG, EINVAL};
    use MapType::{Array, Hash, PercpuArray, PercpuHash, ProgArray};
    for (map_type, key, value, max, flags, expected) in [
        (Array, 4, 8, 1, 0, None),
        (Array, 4, 5, 1, 0, None),
        (Array, 8, 8, 1, 0, Some(EINVAL)),
        (Array, 4, 0, 1, 0, Some(EINVAL)),
        (Array, 4, 8, 0, 0, Some(EINVAL)),
        (Array, 4, 8, 1, NO_PREALLOC, Some(EINVAL)),
        (Array, 4, 8, 1, MMAPABLE | INNER_MAP | NUMA_NODE, None),
        (Array, 4, 8, 1, PRESERVE_ELEMS, Some(EINVAL)),
        (Array, 4, 8, 1, RDONLY_PROG, None),
        (Array, 4, 8, 1, RDONLY_PROG | WRONLY_PROG, Some(EINVAL)),
        (Array, 4, 8, 1, RDONLY | WRONLY, Some(EINVAL)),
        (Array, 4, 1 << 31, 1, 0, Some(E2BIG)),
        (PercpuArray, 4, 32768, 1, 0, None),
        (PercpuArray, 4, 32769, 1, 0, Some(E2BIG)),
        (PercpuArray, 4, 8, 1, NUMA_NODE, Some(EINVAL)),
        (PercpuArray, 4, 8, 1, MMAPABLE, Some(EINVAL)),
        (PercpuArray, 4, 8, 1, INNER_MAP, Some(EINVAL)),
        (Hash, 1, 1, 1, 0, None),
        (Hash, 0, 1, 1, 0, Some(EINVAL)),
        (Hash, 1, 0, 1, 0, Some(EINVAL)),
        (Hash, 1, 1, 0, 0, Some(EINVAL)),
        (Hash, 4, 8, 1, NO_PREALLOC | ZERO_SEED | NUMA_NODE, None),
        (Hash, 4, 8, 1, NO_COMMON_LRU, Some(EINVAL)),
        (Hash, 4, 8, 1, MMAPABLE, Some(EINVAL)),
        (Hash, 8, (4 << 20) - 48 - 8 - 1, 1, 0, None),
        (Hash, 8, (4 << 20) - 48 - 8, 1, 0, Some(E2BIG)),
        (Hash, 4, 4, (1 << 27) + 1, 0, Some(E2BIG)),
        (PercpuHash, 4, 32768, 1, 0, None),
        (PercpuHash, 4, 32769, 1, 0, Some(E2BIG)),
        (PercpuHash, 4, 8, 1, NUMA_NODE, Some(EINVAL)),
        (ProgArray, 4, 4, 1, 0, None),
        (ProgArray, 8, 4, 1, 0, Some(EINVAL)),
        (ProgArray, 4, 8, 1, 0, Some(EINVAL)),
        (ProgArray, 4, 4, 0, 0, Some(EINVAL)),
        (ProgArray, 4, 4, 1, NUMA_NODE | RDONLY, None),
        (ProgArray, 4, 4, 1, WRONLY, None),
    ] {
        assert_eq!(
            created(map_type, key, value, max, flags),
            expected,
            "{map_type:?} {key} {value} {max} {flags:#x}"
        );
    }
    for flag in [
        NO_PREALLOC,
        NO_COMMON_LRU,
        RDONLY_PROG,
        WRONLY_PROG,
        MMAPABLE,
        INNER_MAP,
        ZERO_SEED,
        PRESERVE_ELEMS,
        STACK_BUILD_ID,
    ] {
        assert_eq!(created(ProgArray, 4, 4, 1, flag), Some(EINVAL), "{flag:#x}");
    }
}

#[test]
fn types_this_engine_lacks_are_refused_by_name() {
    for map_type in [
        MapType::StackTrace,
        MapType::CgroupArray,
        MapType::Sockmap,
        MapType::Sockhash,
        MapType::ReuseportSockarray,
        MapType::StructOps,
        MapType::InodeStorage,
        MapType::TaskStorage,
        MapType::CgrpStorage,
        MapType::Arena,
    ] {
        let error = Map::create(&spec(map_type, 4, 4, 4), 1).unwrap_err();
        assert_eq!(error.errno, Errno::EOPNOTSUPP);
        assert!(error.reason.contains(map_type.name()), "{error}");
    }
}

#[test]
fn maps_of_maps_hold_what_can_be_exchanged() {
    let created = |inner: Option<MapType>| {
        let mut spec = spec(MapType::HashOfMaps, 4, 4, 4);
        spec.inner = inner.map(|inner| Box::new(MapSpec::new("inner", inner, 4, 4, 4)));
        Map::create(&spec, 1).map_err(|error| error.errno).err()
    };
    assert_eq!(created(None), Some(Errno::EINVAL));
    assert_eq!(created(Some(MapType::ArrayOfMaps)), Some(Errno::EINVAL));
    assert_eq!(created(Some(MapType::ProgArray)), Some(Errno::ENOTSUPP));
    assert_eq!(created(Some(MapType::CgroupStorage)), Some(Errno::ENOTSUPP));
    assert_eq!(created(Some(MapType::Array)), None);
}

#[test]
fn user_space_and_an_array() {
    let array = map(MapType::Array, 4, 5, 3);
    let key = |i: u32| i.to_le_bytes();
    assert_eq!(array.lookup(&key(2)).unwrap(), [0; 5]);
    assert_eq!(errno(array.lookup(&key(3))), Errno::ENOENT);
    array.update(&key(1), b"hello", ANY).unwrap();
    array.update(&key(2), b"world", EXIST).unwrap();
    assert_eq!(array.lookup(&key(1)).unwrap(), b"hello");
    assert_eq!(errno(array.update(&key(3), b"hello", ANY)), Errno::E2BIG);
    assert_eq!(errno(array.update(&key(1), b"hello", NOEXIST)), Errno::EEXIST);
    assert_eq!(errno(array.update(&key(1), b"hello", 3)), Errno::EINVAL);
    assert_eq!(errno(array.update(&key(1), b"hello", F_LOCK)), Errno::EINVAL);
    assert_eq!(errno(array.update(&key(1), b"hell", ANY)), Errno::EINVAL);
    assert_eq!(errno(array.lookup(&[1, 0, 0])), Errno::EINVAL);
    assert_eq!(errno(array.delete(&key(1))), Errno::EINVAL);
    assert_eq!(errno(array.lookup_and_delete(&key(1))), Errno::ENOTSUPP);
    assert_eq!(array.next_key(None).unwrap(), key(0));
    assert_eq!(array.next_key(Some(&key(0))).unwrap(), key(1));
    assert_eq!(errno(array.next_key(Some(&key(2)))), Errno::ENOENT);
    assert_eq!(array.next_key(Some(&key(99))).unwrap(), key(0));
}

#[test]
fn user_space_and_a_hash() {
    for key_size in [1, 3, 4, 7, 8, 12, 16, 20, 64] {
        let hash = map(MapType::Hash, key_size, 6, 3);
        let key = |i: u8| vec![i; key_size as usize];
        assert_eq!(errno(hash.lookup(&key(1))), Errno::ENOENT);
        assert_eq!(errno(hash.update(&key(1), b"valued", EXIST)), Errno::ENOENT);
        hash.update(&key(1), b"value1", NOEXIST).unwrap();
        assert_eq!(errno(hash.update(&key(1), b"value1", NOEXIST)), Errno::EEXIST);
        hash.update(&key(2), b"value2", ANY).unwrap();
        hash.update(&key(3), b"value3", ANY).unwrap();
        assert_eq!(errno(hash.update(&key(4), b"value4", ANY)), Errno::E2BIG);
        hash.update(&key(3), b"again3", EXIST).unwrap();
        assert_eq!(hash.lookup(&key(3)).unwrap(), b"again3");
        assert_eq!(errno(hash.update(&key(3), b"again3", 3)), Errno::EINVAL);
        assert_eq!(errno(hash.update(&key(3), b"again3", 8)), Errno::EINVAL);
        assert_eq!(errno(hash.update(&key(3), b"again3", F_LOCK)), Errno::EINVAL);
        assert_eq!(hash.entries(), 3);
        hash.delete(&key(1)).unwrap();
        assert_eq!(errno(hash.delete(&key(1))), Errno::ENOENT);
        assert_eq!(hash.lookup_and_delete(&key(2)).unwrap(), b"value2");
        assert_eq!(errno(hash.lookup_and_delete(&key(2))), Errno::ENOENT);
        assert_eq!(hash.entries(), 1);
    }
}

#[test]
fn every_key_of_a_hash_is_iterated_once() {
    let hash = map(MapType::Hash, 4, 4, 1000);
    for i in 0..1000u32 {
        hash.update(&i.to_le_bytes(), &(i * 2).to_le_bytes(), ANY).unwrap();
    }
    let mut keys = Vec::new();
    let mut key: Option<Vec<u8>> = None;
    while let Ok(next) = hash.next_key(key.as_deref()) {
        keys.push(u32::from_le_bytes(next.clone().try_into().unwrap()));
        key = Some(next);
    }
    let mut shown = Vec::new();
    hash.for_each(|key, value| {
        let (key, value): ([u8; 4], [u8; 4]) = (key.try_into().unwrap(), value.try_into().unwrap());
        assert_eq!(u32::from_le_bytes(value), u32::from_le_bytes(key) * 2);
        shown.push(u32::from_le_bytes(key));
    })
    .unwrap();
    assert_eq!(keys, shown);
    keys.sort_unstable();
    assert_eq!(keys, (0..1000).collect::<Vec<_>>());
    // A key that is not in the map starts again; deleting while iterating reaches every other key.
    let first = hash.next_key(None).unwrap();
    assert_eq!(hash.next_key(Some(&5000u32.to_le_bytes())).unwrap(), first);
    while let Ok(key) = hash.next_key(None) {
        hash.delete(&key).unwrap();
    }
    assert_eq!(hash.entries(), 0);
}

#[test]
fn per_cpu_values_in_user_space() {
    for map_type in [MapType::PercpuArray, MapType::PercpuHash] {
        let map = map(map_type, 4, 5, 2);
        let key = 1u32.to_le_bytes();
        assert_eq!(map.user_value_size(), 16);
        map.update(&key, b"cpu-0xxxcpu-1yyy", ANY).unwrap();
        assert_eq!(map.lookup(&key).unwrap(), b"cpu-0\0\0\0cpu-1\0\0\0");
        assert_eq!(errno(map.update(&key, b"cpu-0", ANY)), Errno::EINVAL);
    }
}

#[test]
fn sides_and_freezing() {
    let with =
        |flags| Map::create(&MapSpec { map_flags: flags, ..spec(MapType::Array, 4, 4, 1) }, 1).unwrap();
    let (key, value) = ([0; 4], [1; 4]);
    let rdonly = with(RDONLY);
    assert_eq!(errno(rdonly.update(&key, &value, ANY)), Errno::EPERM);
    assert_eq!(errno(rdonly.freeze()), Errno::EPERM);
    assert!(rdonly.lookup(&key).is_ok());
    let wronly = with(WRONLY);
    assert!(wronly.update(&key, &value, ANY).is_ok());
    assert_eq!(errno(wronly.lookup(&key)), Errno::EPERM);
    assert_eq!(errno(wronly.next_key(None)), Errno::EPERM);
    let map = with(0);
    map.freeze().unwrap();
    assert!(map.is_frozen());
    assert_eq!(errno(map.freeze()), Errno::EPERM);
    assert_eq!(errno(map.update(&key, &value, ANY)), Errno::EPERM);
    assert_eq!(errno(map.delete(&key)), Errno::EPERM);
    assert!(map.lookup(&key).is_ok());
}

#[test]
fn data_sections_are_filled_and_addressed() {
    let bytes = b"constants".to_vec();
    let rodata = MapSpec {
        map_flags: RDONLY_PROG | MMAPABLE,
        content: MapContent::Data { bytes: bytes.clone(), frozen: true },
        ..spec(MapType::Array, 4, 9, 1)
    };
    let map = Map::create(&rodata, 1).unwrap();
    assert!(map.is_frozen());
    assert_eq!(map.lookup(&[0; 4]).unwrap(), bytes);
    assert_eq!(map.value_address(3).unwrap(), map.value_address(0).unwrap() + 3);
    assert_eq!(errno(map.value_address(9)), Errno::EINVAL);
    assert_eq!(errno(self::map(MapType::Array, 4, 4, 2).value_address(0)), Errno::ENOTSUPP);
    assert_eq!(errno(self::map(MapType::Hash, 4, 4, 1).value_address(0)), Errno::ENOTSUPP);
}

/// A program's view of maps: the helpers, called as the interpreter calls them.
struct Program {
    stack: Stack,
    exec: ExecutionContext,
    maps: Vec<Arc<Map>>,
}

impl Program {
    fn new(maps: &[&Arc<Map>]) -> Program {
        let maps = maps.iter().map(|map| Arc::clone(map)).collect();
        Program { stack: Stack::new(), exec: ExecutionContext::new(0), maps }
    }

    /// Calls a map helper with this key and value on the stack.
    fn call(&mut self, helper: HelperId, map: &Arc<Map>, key: &[u8], value: &[u8], flags: u64) -> u64 {
        let mut memory = Memory::new(&mut self.stack, Context::Plain(&[]));
        let fp = memory.push_frame().unwrap();
        let (key_at, value_at) = (fp - 256, fp - 128);
        for (at, bytes) in [(key_at, key), (value_at, value)] {
            for (i, byte) in bytes.iter().enumerate() {
                memory.store(&self.maps, at + i as u64, bpfreplay_isa::Size::B, u64::from(*byte)).unwrap();
            }
        }
        memory.call(&self.maps, helper, [map.address(), key_at, value_at, flags, 0], &mut self.exec).unwrap()
    }

    fn lookup(&mut self, map: &Arc<Map>, key: &[u8]) -> u64 {
        self.call(HelperId::MapLookupElem, map, key, &[], 0)
    }

    fn update(&mut self, map: &Arc<Map>, key: &[u8], value: &[u8], flags: u64) -> i64 {
        self.call(HelperId::MapUpdateElem, map, key, value, flags) as i64
    }

    fn delete(&mut self, map: &Arc<Map>, key: &[u8]) -> i64 {
        self.call(HelperId::MapDeleteElem, map, key, &[], 0) as i64
    }
}

#[test]
fn programs_get_the_kernels_numbers() {
    let (array, hash) = (map(MapType::Array, 4, 8, 2), map(MapType::Hash, 4, 8, 2));
    let mut program = Program::new(&[&array, &hash]);
    let (key, value) = (|i: u32| i.to_le_bytes(), [7; 8]);
    assert_eq!(program.lookup(&array, &key(2)), 0);
    assert_eq!(program.update(&array, &key(2), &value, ANY), -7);
    assert_eq!(program.update(&array, &key(1), &value, NOEXIST), -17);
    assert_eq!(program.update(&array, &key(1), &value, 3), -22);
    assert_eq!(program.update(&array, &key(1), &value, 4), -22);
    assert_eq!(program.update(&array, &key(1), &value, 8), -22);
    assert_eq!(program.update(&array, &key(1), &value, EXIST), 0);
    assert_eq!(program.delete(&array, &key(1)), -22);

    assert_eq!(program.lookup(&hash, &key(1)), 0);
    assert_eq!(program.update(&hash, &key(1), &value, EXIST), -2);
    assert_eq!(program.update(&hash, &key(1), &value, NOEXIST), 0);
    assert_eq!(program.update(&hash, &key(1), &value, NOEXIST), -17);
    assert_eq!(program.update(&hash, &key(2), &value, ANY), 0);
    assert_eq!(program.update(&hash, &key(3), &value, ANY), -7);
    assert_eq!(program.update(&hash, &key(2), &value, ANY), 0);
    for flags in [3, 4, 8] {
        assert_eq!(program.update(&hash, &key(2), &value, flags), -22, "{flags}");
    }
    assert_eq!(program.delete(&hash, &key(3)), -2);
    assert_eq!(program.delete(&hash, &key(2)), 0);
    assert_eq!(program.lookup(&hash, &key(2)), 0);
}

#[test]
fn a_replaced_element_keeps_its_value_for_who_has_it() {
    let hash = map(MapType::Hash, 16, 8, 1);
    let mut program = Program::new(&[&hash]);
    let mut exec = ExecutionContext::new(0);
    let _batch = exec.batch();
    let key = [9; 16];
    assert_eq!(program.update(&hash, &key, &1u64.to_le_bytes(), ANY), 0);
    let first = program.lookup(&hash, &key);
    for i in 2..20u64 {
        assert_eq!(program.update(&hash, &key, &i.to_le_bytes(), ANY), 0);
    }
    let now = program.lookup(&hash, &key);
    assert_ne!(first, now);
    let maps = [Arc::clone(&hash)];
    let memory = Memory::new(&mut program.stack, Context::Plain(&[]));
    assert_eq!(memory.load(&maps, first, bpfreplay_isa::Size::Dw).unwrap(), 1);
    assert_eq!(memory.load(&maps, now, bpfreplay_isa::Size::Dw).unwrap(), 19);
}

#[test]
fn per_cpu_values_of_programs() {
    for map_type in [MapType::PercpuArray, MapType::PercpuHash] {
        let map = map(map_type, 4, 8, 4);
        let key = 3u32.to_le_bytes();
        let mut program = Program::new(&[&map]);
        program.exec.cpu = 1;
        assert_eq!(program.update(&map, &key, &5u64.to_le_bytes(), ANY), 0);
        let values = map.lookup(&key).unwrap();
        assert_eq!(values[..8], [0; 8]);
        assert_eq!(values[8..], 5u64.to_le_bytes());
        // An update of a key there is stays in place, and touches no other CPU.
        let here = program.lookup(&map, &key);
        program.exec.cpu = 0;
        assert_eq!(program.update(&map, &key, &6u64.to_le_bytes(), ANY), 0);
        assert_ne!(program.lookup(&map, &key), here);
        program.exec.cpu = 1;
        assert_eq!(program.lookup(&map, &key), here);
        assert_eq!(map.lookup(&key).unwrap()[8..], 5u64.to_le_bytes());
        // A worker the map was not made for gets nothing.
        program.exec.cpu = 2;
        assert_eq!(program.lookup(&map, &key), 0);
    }
}

#[test]
fn a_reused_per_cpu_element_starts_at_zero_on_other_cpus() {
    let map = map(MapType::PercpuHash, 4, 8, 1);
    let mut program = Program::new(&[&map]);
    for round in 0..2000u32 {
        let key = round.to_le_bytes();
        program.exec.cpu = round % 2;
        assert_eq!(program.update(&map, &key, &u64::MAX.to_le_bytes(), ANY), 0);
        let values = map.lookup(&key).unwrap();
        let (mine, other) =
            if round % 2 == 0 { (&values[..8], &values[8..]) } else { (&values[8..], &values[..8]) };
        assert_eq!((mine, other), (&[0xff; 8][..], &[0; 8][..]));
        assert_eq!(program.delete(&map, &key), 0);
    }
}

#[test]
fn layouts_for_jited_code_agree_with_lookups() {
    for (map_type, value) in [(MapType::Array, 5), (MapType::PercpuArray, 12)] {
        let map = map(map_type, 4, value, 3);
        let layout = map.array_layout().unwrap();
        let mut program = Program::new(&[&map]);
        for cpu in 0..2 {
            program.exec.cpu = cpu;
            for i in 0..3u32 {
                let addr = layout.base + u64::from(cpu) * layout.cpu_stride + u64::from(i) * layout.stride;
                assert_eq!(program.lookup(&map, &i.to_le_bytes()), addr);
            }
        }
        assert_eq!(layout.max_entries, 3);
    }
    assert!(map(MapType::Hash, 4, 4, 4).array_layout().is_none());
}

#[test]
fn workers_on_one_hash_lose_nothing() {
    const KEYS: u32 = 64;
    const ROUNDS: u32 = 20_000;
    let own = map(MapType::Hash, 4, 8, 4 * KEYS);
    let shared = map(MapType::Hash, 16, 8, 16);
    std::thread::scope(|scope| {
        for worker in 0..4u32 {
            let (own, shared) = (&own, &shared);
            scope.spawn(move || {
                let mut program = Program::new(&[own, shared]);
                for round in 0..ROUNDS {
                    // Keys of this worker alone: always what it left there.
                    let key = (worker * KEYS + round % KEYS).to_le_bytes();
                    let value = (u64::from(round) << 8 | u64::from(worker)).to_le_bytes();
                    assert_eq!(program.update(own, &key, &value, ANY), 0);
                    assert_eq!(own.lookup(&key).unwrap(), value);
                    if round % 3 == 0 {
                        assert_eq!(program.delete(own, &key), 0);
                        assert_eq!(program.lookup(own, &key), 0);
                    }
                    // Keys all workers fight for: a value some worker wrote for this very key, or none.
                    let key = [(round % 8) as u8; 16];
                    let _ = program.update(shared, &key, &[(round % 8) as u8; 8], ANY);
                    if let Ok(value) = shared.lookup(&key) {
                        assert_eq!(value, [key[0]; 8]);
                    }
                    if round % 5 == worker {
                        let _ = program.delete(shared, &key);
                    }
                }
            });
        }
    });
    let mut entries = 0;
    own.for_each(|_, _| entries += 1).unwrap();
    assert_eq!(entries, own.entries());
    let mut entries = 0;
    shared
        .for_each(|key, value| {
            assert_eq!(&key[..8], value);
            entries += 1;
        })
        .unwrap();
    assert_eq!(entries, shared.entries());
}

#[test]
fn a_key_that_is_there_is_found_while_it_is_replaced() {
    let hash = map(MapType::Hash, 8, 8, 2);
    let key = 42u64.to_le_bytes();
    hash.update(&key, &[0; 8], ANY).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut program = Program::new(&[&hash]);
            let mut exec = ExecutionContext::new(1);
            let mut reads = 0u64;
            while !done.load(Ordering::Relaxed) {
                let _batch = exec.batch();
                assert_ne!(program.lookup(&hash, &key), 0);
                reads += 1;
            }
            reads
        });
        let mut program = Program::new(&[&hash]);
        for round in 0..200_000u64 {
            assert_eq!(program.update(&hash, &key, &round.to_le_bytes(), EXIST), 0);
        }
        done.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0);
    });
}

/// What a batch looked up stays what it was to the end of the batch, while another thread takes it out and puts other
/// keys in: as many as there are in reserve.
#[test]
fn an_address_means_the_same_until_the_batch_ends() {
    const CHANGES_A_BATCH: usize = 400;
    let hash = map(MapType::Hash, 4, 8, 4);
    let value = |key: u32| u64::from(key) << 32 | 0xabcd;
    let (batches, done) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut program = Program::new(&[&hash]);
            let mut exec = ExecutionContext::new(1);
            let maps = [Arc::clone(&hash)];
            let mut found = 0;
            while !done.load(Ordering::Relaxed) {
                let batch = exec.batch();
                let held: Vec<(u32, u64)> = (0..8u32)
                    .map(|key| (key, program.lookup(&hash, &key.to_le_bytes())))
                    .filter(|(_, at)| *at != 0)
                    .collect();
                for _ in 0..50 {
                    for (key, at) in &held {
                        let memory = Memory::new(&mut program.stack, Context::Plain(&[]));
                        assert_eq!(memory.load(&maps, *at, bpfreplay_isa::Size::Dw).unwrap(), value(*key));
                    }
                }
                found += held.len();
                drop(batch);
                batches.fetch_add(1, Ordering::Release);
            }
            found
        });
        let mut program = Program::new(&[&hash]);
        for round in 0..200 {
            let before = batches.load(Ordering::Acquire);
            for change in 0..CHANGES_A_BATCH as u32 {
                let key = (change * 5 + round) % 8;
                let _ = program.delete(&hash, &((key + 4) % 8).to_le_bytes());
                let _ = program.update(&hash, &key.to_le_bytes(), &value(key).to_le_bytes(), ANY);
            }
            while batches.load(Ordering::Acquire) < before + 2 && !reader.is_finished() {
                std::thread::yield_now();
            }
        }
        done.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0);
    });
}

//! The one file that makes the system call.
#![allow(unsafe_code, reason = "bpf(2) takes a union of raw addresses")]

use std::ffi::CString;
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use bpfreplay_isa::Insn;
use bpfreplay_program::{MapSpec, Program};
use bpfreplay_uapi::MapType;

use crate::skip::skipped;

use super::attr::{
    BtfLoad, FuncInfoRec, GetFdById, LineInfoRec, MapCreate, MapElem, ObjInfo, ObjPin, ProgLoad, ProgTestRun,
};

/// A map, program or BTF object of the kernel.
pub type Fd = OwnedFd;

/// bpf(2) of the running kernel, known to be permitted.
#[derive(Clone, Copy, Debug)]
pub struct Kernel(());

/// Why the kernel cannot be the judge here.
#[derive(Debug)]
pub struct Unavailable(io::Error);

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bpf(2) is not permitted here: {}", self.0)
    }
}

/// What `BPF_PROG_TEST_RUN` gave back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TestRun {
    /// r0, cut to 32 bits.
    pub retval: u32,
    /// The packet after the run.
    pub data: Vec<u8>,
    /// `struct __sk_buff` after the run.
    pub ctx: Vec<u8>,
    /// Average duration of one repetition, in ns.
    pub duration_ns: u32,
}

const MAP_CREATE: libc::c_long = 0;
const MAP_LOOKUP_ELEM: libc::c_long = 1;
const MAP_UPDATE_ELEM: libc::c_long = 2;
const MAP_DELETE_ELEM: libc::c_long = 3;
const MAP_GET_NEXT_KEY: libc::c_long = 4;
const PROG_LOAD: libc::c_long = 5;
const OBJ_PIN: libc::c_long = 6;
const PROG_TEST_RUN: libc::c_long = 10;
const MAP_GET_FD_BY_ID: libc::c_long = 14;
const OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const BTF_LOAD: libc::c_long = 18;
const MAP_LOOKUP_AND_DELETE_ELEM: libc::c_long = 21;
const MAP_FREEZE: libc::c_long = 22;

/// Room for a packet that a program made longer.
const DATA_OUT_MAX: usize = 65536;
/// `sizeof(struct __sk_buff)`.
const CTX_SIZE: usize = 192;
/// Room for the verifier's log.
const LOG_SIZE: usize = 1 << 20;

impl Kernel {
    /// Finds out whether bpf(2) may be used, by making a map.
    ///
    /// # Errors
    ///
    /// With the reason, if it is not permitted (`EPERM`, `EACCES`) or there is none (`ENOSYS`).
    ///
    /// # Panics
    ///
    /// If it fails in any other way: then something is wrong, and a suite that skipped would hide it.
    pub fn probe() -> Result<Kernel, Unavailable> {
        let kernel = Kernel(());
        match kernel.create_map(&MapSpec::new("probe", MapType::Array, 4, 4, 1), None, None) {
            Ok(_) => Ok(kernel),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES | libc::ENOSYS)) => {
                Err(Unavailable(error))
            }
            Err(error) => panic!("bpf(2) does not make the simplest of maps: {error}"),
        }
    }

    /// The kernel as the judge of a suite; where there is none, that is said: [`skipped`].
    #[must_use]
    pub fn or_skip(what: &str) -> Option<Kernel> {
        Kernel::probe().map_err(|reason| skipped(what, &reason)).ok()
    }

    /// Makes a map. `inner` is the template of a map of maps; with `types`, the BTF of its key and value goes along.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn create_map(self, spec: &MapSpec, inner: Option<&Fd>, types: Option<&Fd>) -> io::Result<Fd> {
        let types = types.filter(|_| spec.btf_value_type_id != 0);
        let type_ids = types.map_or((0, 0), |_| (spec.btf_key_type_id, spec.btf_value_type_id));
        let mut attr = MapCreate {
            map_type: spec.map_type.id(),
            key_size: spec.key_size,
            value_size: spec.value_size,
            max_entries: spec.max_entries,
            map_flags: spec.map_flags,
            inner_map_fd: inner.map_or(0, |fd| fd.as_raw_fd() as u32),
            map_name: object_name(&spec.name),
            btf_fd: types.map_or(0, |fd| fd.as_raw_fd() as u32),
            btf_key_type_id: type_ids.0,
            btf_value_type_id: type_ids.1,
            map_extra: spec.map_extra,
            ..MapCreate::default()
        };
        bpf(MAP_CREATE, &mut attr).map(owned)
    }

    /// `BPF_MAP_LOOKUP_ELEM`. `size` is the value's size as user space sees it (per-CPU: all CPUs).
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn lookup(self, map: &Fd, key: &[u8], size: usize) -> io::Result<Vec<u8>> {
        let mut value = vec![0u8; size];
        let mut attr = elem(map, address(key), value.as_mut_ptr() as u64, 0);
        bpf(MAP_LOOKUP_ELEM, &mut attr).map(|_| value)
    }

    /// `BPF_MAP_LOOKUP_ELEM` of a bloom filter, which takes what is looked for in the value.
    ///
    /// # Errors
    ///
    /// The kernel's: ENOENT for a value that surely was not pushed.
    pub fn contains(self, map: &Fd, value: &[u8]) -> io::Result<()> {
        let mut value = value.to_vec();
        let mut attr = elem(map, 0, value.as_mut_ptr() as u64, 0);
        bpf(MAP_LOOKUP_ELEM, &mut attr).map(drop)
    }

    /// `BPF_MAP_LOOKUP_AND_DELETE_ELEM`. `size` as for [`Kernel::lookup`].
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn lookup_and_delete(self, map: &Fd, key: &[u8], size: usize) -> io::Result<Vec<u8>> {
        let mut value = vec![0u8; size];
        let mut attr = elem(map, address(key), value.as_mut_ptr() as u64, 0);
        bpf(MAP_LOOKUP_AND_DELETE_ELEM, &mut attr).map(|_| value)
    }

    /// `BPF_MAP_UPDATE_ELEM`.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn update(self, map: &Fd, key: &[u8], value: &[u8], flags: u64) -> io::Result<()> {
        let mut attr = elem(map, address(key), value.as_ptr() as u64, flags);
        bpf(MAP_UPDATE_ELEM, &mut attr).map(drop)
    }

    /// Puts a map into a map of maps.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn update_map(self, map: &Fd, key: &[u8], inner: &Fd, flags: u64) -> io::Result<()> {
        self.update(map, key, &inner.as_raw_fd().to_ne_bytes(), flags)
    }

    /// Puts a program into a prog array.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn update_prog(self, map: &Fd, slot: u32, program: &Fd, flags: u64) -> io::Result<()> {
        self.update(map, &slot.to_ne_bytes(), &program.as_raw_fd().to_ne_bytes(), flags)
    }

    /// `BPF_MAP_DELETE_ELEM`.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn delete(self, map: &Fd, key: &[u8]) -> io::Result<()> {
        let mut attr = elem(map, address(key), 0, 0);
        bpf(MAP_DELETE_ELEM, &mut attr).map(drop)
    }

    /// `BPF_MAP_GET_NEXT_KEY`: the first key for `None`, and `None` after the last.
    ///
    /// # Errors
    ///
    /// The kernel's, the end of the map excepted.
    pub fn next_key(self, map: &Fd, key: Option<&[u8]>, key_size: usize) -> io::Result<Option<Vec<u8>>> {
        let mut next = vec![0u8; key_size];
        let mut attr = elem(map, key.map_or(0, address), next.as_mut_ptr() as u64, 0);
        match bpf(MAP_GET_NEXT_KEY, &mut attr) {
            Ok(_) => Ok(Some(next)),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// `BPF_MAP_FREEZE`.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn freeze(self, map: &Fd) -> io::Result<()> {
        bpf(MAP_FREEZE, &mut elem(map, 0, 0, 0)).map(drop)
    }

    /// `BPF_OBJ_GET_INFO_BY_FD`, of which the id: the second word of what it gives for maps and programs alike.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn object_id(self, object: &Fd) -> io::Result<u32> {
        let mut info = [0u32; 2];
        let mut attr = ObjInfo {
            bpf_fd: object.as_raw_fd() as u32,
            info_len: size_of_val(&info) as u32,
            info: info.as_mut_ptr() as u64,
        };
        bpf(OBJ_GET_INFO_BY_FD, &mut attr)?;
        Ok(info[1])
    }

    /// The instructions of a loaded program after the kernel's rewrites; addresses in them are blank.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn xlated(self, program: &Fd) -> io::Result<Vec<Insn>> {
        // The first words of struct bpf_prog_info: xlated_prog_len is at 20, the address to write to at 32.
        let mut info = [0u64; 5];
        let ask = |info: &mut [u64; 5]| {
            let mut attr = ObjInfo {
                bpf_fd: program.as_raw_fd() as u32,
                info_len: size_of_val(info) as u32,
                info: info.as_mut_ptr() as u64,
            };
            bpf(OBJ_GET_INFO_BY_FD, &mut attr)
        };
        ask(&mut info)?;
        let len = info[2] >> 32;
        let mut bytes = vec![0u8; len as usize];
        info = [0, 0, len << 32, 0, bytes.as_mut_ptr() as u64];
        ask(&mut info)?;
        let slot = |slot: &[u8]| Insn::from_le_bytes(slot.try_into().expect("eight bytes"));
        Ok(bytes.chunks_exact(8).map(slot).collect())
    }

    /// `BPF_MAP_GET_FD_BY_ID`.
    ///
    /// # Errors
    ///
    /// The kernel's: ENOENT for a map that is gone.
    pub fn map_by_id(self, id: u32) -> io::Result<Fd> {
        bpf(MAP_GET_FD_BY_ID, &mut GetFdById { id, ..GetFdById::default() }).map(owned)
    }

    /// `BPF_OBJ_PIN`: gives a map or program a name in a bpf filesystem.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn pin(self, object: &Fd, path: &str) -> io::Result<()> {
        let path = CString::new(path)?;
        let mut attr =
            ObjPin { pathname: path.as_ptr() as u64, bpf_fd: object.as_raw_fd() as u32, file_flags: 0 };
        bpf(OBJ_PIN, &mut attr).map(drop)
    }

    /// `BPF_BTF_LOAD`.
    ///
    /// # Errors
    ///
    /// The kernel's number and its log.
    pub fn load_btf(self, btf: &[u8]) -> Result<Fd, (io::Error, String)> {
        let mut attr = BtfLoad { btf: btf.as_ptr() as u64, size: btf.len() as u32, ..BtfLoad::default() };
        if let Ok(fd) = bpf(BTF_LOAD, &mut attr) {
            return Ok(owned(fd));
        }
        // Again with a log: one too small for the types would make the load fail.
        let mut log = vec![0u8; LOG_SIZE];
        (attr.log_level, attr.log_size, attr.log_buf) = (1, LOG_SIZE as u32, log.as_mut_ptr() as u64);
        bpf(BTF_LOAD, &mut attr).map(owned).map_err(|error| (error, text(&log)))
    }

    /// `BPF_PROG_LOAD` of instructions whose map references are already file descriptors.
    ///
    /// # Errors
    ///
    /// The kernel's number and the verifier's log.
    pub fn load_program(
        self,
        program: &Program,
        insns: &[Insn],
        btf: Option<&Fd>,
        prog_flags: u32,
    ) -> Result<Fd, (io::Error, String)> {
        with_load_attr(program, insns, btf, prog_flags, |attr| {
            if let Ok(fd) = bpf(PROG_LOAD, attr) {
                return Ok(owned(fd));
            }
            // Again with a log: a log too small for an accepted program would make the load fail.
            let mut log = vec![0u8; LOG_SIZE];
            (attr.log_level, attr.log_size, attr.log_buf) = (1, LOG_SIZE as u32, log.as_mut_ptr() as u64);
            bpf(PROG_LOAD, attr).map(owned).map_err(|error| (error, text(&log)))
        })
    }

    /// The verifier's log of a load, whatever comes of it; the end of one that is longer than a mebibyte.
    #[must_use]
    pub fn verifier_log(self, program: &Program, insns: &[Insn], btf: Option<&Fd>, level: u32) -> String {
        with_load_attr(program, insns, btf, 0, |attr| {
            let mut log = vec![0u8; LOG_SIZE];
            (attr.log_level, attr.log_size, attr.log_buf) = (level, LOG_SIZE as u32, log.as_mut_ptr() as u64);
            drop(bpf(PROG_LOAD, attr).map(owned));
            text(&log)
        })
    }

    /// `BPF_PROG_TEST_RUN` with a context buffer in and out, so that `wire_len` is set.
    ///
    /// # Errors
    ///
    /// The kernel's, for instance EINVAL for a frame shorter than 14 bytes.
    pub fn test_run(self, program: &Fd, data: &[u8], ctx_in: &[u8], repeat: u32) -> io::Result<TestRun> {
        self.test_run_with(program, data, ctx_in, vec![0u8; CTX_SIZE], repeat)
    }

    /// `BPF_PROG_TEST_RUN` without a context: one of zeroes would say of XDP that all of the frame is in fragments.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn test_run_without_context(self, program: &Fd, data: &[u8]) -> io::Result<TestRun> {
        self.test_run_with(program, data, &[], Vec::new(), 1)
    }

    fn test_run_with(
        self,
        program: &Fd,
        data: &[u8],
        ctx_in: &[u8],
        mut ctx_out: Vec<u8>,
        repeat: u32,
    ) -> io::Result<TestRun> {
        let mut data_out = vec![0u8; DATA_OUT_MAX];
        let mut attr = ProgTestRun {
            prog_fd: program.as_raw_fd() as u32,
            data_size_in: data.len() as u32,
            data_size_out: DATA_OUT_MAX as u32,
            data_in: data.as_ptr() as u64,
            data_out: data_out.as_mut_ptr() as u64,
            repeat,
            ctx_size_in: ctx_in.len() as u32,
            ctx_size_out: ctx_out.len() as u32,
            ctx_in: if ctx_in.is_empty() { 0 } else { ctx_in.as_ptr() as u64 },
            ctx_out: if ctx_out.is_empty() { 0 } else { ctx_out.as_mut_ptr() as u64 },
            ..ProgTestRun::default()
        };
        bpf(PROG_TEST_RUN, &mut attr)?;
        data_out.truncate(attr.data_size_out as usize);
        ctx_out.truncate(attr.ctx_size_out as usize);
        Ok(TestRun { retval: attr.retval, data: data_out, ctx: ctx_out, duration_ns: attr.duration })
    }

    /// `BPF_PROG_TEST_RUN` `repeat` times with nothing copied out: the kernel's side of a benchmark. Gives the average
    /// duration in ns as the kernel measured it, and the last return value.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn test_run_repeat(self, program: &Fd, data: &[u8], repeat: u32) -> io::Result<(u32, u32)> {
        let mut attr = ProgTestRun {
            prog_fd: program.as_raw_fd() as u32,
            data_size_in: data.len() as u32,
            data_in: data.as_ptr() as u64,
            repeat,
            ..ProgTestRun::default()
        };
        bpf(PROG_TEST_RUN, &mut attr)?;
        Ok((attr.duration, attr.retval))
    }
}

/// Keeps the calling thread on the CPU it is on. A program that looks at its CPU's values across runs otherwise sees
/// another CPU's when the thread moves; our engines have one worker, which is one CPU.
///
/// # Errors
///
/// The kernel's.
pub fn stay_on_this_cpu() -> io::Result<()> {
    // SAFETY: takes nothing.
    let cpu = unsafe { libc::sched_getcpu() };
    let cpu = usize::try_from(cpu).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: a set of bits; all zero is a value of it.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `cpu` is the number of a CPU, which the set has room for.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: the set is valid for reads of the size stated; 0 is the calling thread.
    let result = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Calls bpf(2). Every address in `attr` is of a buffer the caller holds across the call, with the size stated beside
/// it.
fn bpf<T>(command: libc::c_long, attr: &mut T) -> io::Result<i32> {
    // SAFETY: `attr` is one of the `repr(C)` structs of `attr.rs`, valid for reads and writes of its size, which is
    // passed; the kernel writes nowhere but into it and into buffers whose addresses and sizes its fields name, and
    // all callers above keep those buffers alive and as large as stated.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as i32) }
}

fn owned(fd: i32) -> Fd {
    // SAFETY: only called with a descriptor that bpf(2) has just made and nothing else owns.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Where a key is: nowhere, for a map without keys.
fn address(key: &[u8]) -> u64 {
    if key.is_empty() { 0 } else { key.as_ptr() as u64 }
}

fn elem(map: &Fd, key: u64, value: u64, flags: u64) -> MapElem {
    MapElem { map_fd: map.as_raw_fd() as u32, pad: 0, key, value, flags }
}

/// At most 15 bytes, of the characters the kernel allows in names.
fn object_name(name: &str) -> [u8; 16] {
    let mut out = [0u8; 16];
    for (to, from) in out[..15].iter_mut().zip(name.bytes()) {
        *to = if from.is_ascii_alphanumeric() || from == b'_' || from == b'.' { from } else { b'_' };
    }
    out
}

/// `BPF_F_XDP_HAS_FRAGS`
const XDP_HAS_FRAGS: u32 = 1 << 5;

/// What `BPF_PROG_LOAD` is asked.
fn with_load_attr<T>(
    program: &Program,
    insns: &[Insn],
    btf: Option<&Fd>,
    prog_flags: u32,
    f: impl FnOnce(&mut ProgLoad) -> T,
) -> T {
    let mut license = program.license.clone().into_bytes();
    license.push(0);
    let (funcs, lines) = match btf {
        Some(_) => (func_info(program), line_info(program)),
        None => (Vec::new(), Vec::new()),
    };
    let mut attr = ProgLoad {
        prog_type: program.prog_type.id(),
        insn_cnt: insns.len() as u32,
        insns: insns.as_ptr() as u64,
        license: license.as_ptr() as u64,
        prog_flags: prog_flags | if program.xdp_has_frags { XDP_HAS_FRAGS } else { 0 },
        prog_name: object_name(&program.name),
        expected_attach_type: program.expected_attach_type,
        prog_btf_fd: btf.map_or(0, |fd| fd.as_raw_fd() as u32),
        func_info_rec_size: size_of::<FuncInfoRec>() as u32,
        func_info: funcs.as_ptr() as u64,
        func_info_cnt: funcs.len() as u32,
        line_info_rec_size: size_of::<LineInfoRec>() as u32,
        line_info: lines.as_ptr() as u64,
        line_info_cnt: lines.len() as u32,
        ..ProgLoad::default()
    };
    f(&mut attr)
}

fn text(log: &[u8]) -> String {
    let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
    String::from_utf8_lossy(&log[..end]).into_owned()
}

fn func_info(program: &Program) -> Vec<FuncInfoRec> {
    program.funcs.iter().map(|func| FuncInfoRec { insn_off: func.insn_off, type_id: func.btf_id }).collect()
}

fn line_info(program: &Program) -> Vec<LineInfoRec> {
    let record = |line: &bpfreplay_program::LineInfo| LineInfoRec {
        insn_off: line.insn_off,
        file_name_off: line.btf_off.0,
        line_off: line.btf_off.1,
        line_col: line.line << 10 | line.column,
    };
    program.lines.iter().map(record).collect()
}

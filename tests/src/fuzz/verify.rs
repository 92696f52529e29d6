use std::collections::BTreeSet;
use std::sync::Arc;

use bpfreplay_isa::Insn;
use bpfreplay_program::{ArgKind, FuncInfo, Linkage, MapSpec, Program, ReturnKind};
use bpfreplay_runtime::SKB_LAYOUT;
use bpfreplay_uapi::ProgType;
use bpfreplay_verifier::{LogLevel, Options, VerifiedProgram, VerifierError, verify as verify_program};

use crate::case::fixture_maps;
use crate::soundness::{Random, Runner, listing};

/// Slots of a program: longer ones take the time of many.
const SLOTS_MAX: usize = 4096;
/// Instructions the verifier processes of a program that is verified with logs, which take their time, too.
const LOGGED_INSNS_MAX: u32 = 20_000;
/// Runs of an accepted program, and instructions of each.
const RUNS: usize = 3;
const STEPS_MAX: u64 = 20_000;

/// Bytes before the instructions: the program's type and attach type, what BTF says of its functions, its licence.
const HEADER: usize = 4;
/// BTF has the functions;
const WITH_FUNCS: u8 = 1;
/// those at odd places are global.
const ODD_ARE_GLOBAL: u8 = 2;

/// Bytes as the instructions of a program: the verifier accepts or refuses, with or without a log, and what it accepts
/// never faults. Maps are those of the verifier's cases, by index.
///
/// ```text
///   type  attach type  functions  licence │ slot  slot  slot …
/// ```
///
/// # Panics
///
/// If a log changes the verdict, if a refusal has no words, or if an accepted program faults.
pub fn verify(bytes: &[u8]) {
    let Some(program) = program(bytes) else { return };
    let verdict = judge(&program, LogLevel::Off);
    let logged = match &verdict {
        Ok(verified) => verified.facts().insns_processed < LOGGED_INSNS_MAX,
        Err(error) => error.kind != bpfreplay_verifier::ErrorKind::TooBig,
    };
    for level in [LogLevel::Failing, LogLevel::All] {
        if logged {
            alike(&verdict, &judge(&program, level), &program);
        }
    }
    match verdict {
        Err(error) => assert!(!error.message.is_empty(), "{error:?}"),
        Ok(verified) => {
            let mut random = Random::new(seed(bytes));
            let ran = Runner::new(STEPS_MAX).run(&verified, RUNS, &mut random);
            assert!(ran.is_ok(), "{ran:?}: the verifier accepted\n{}", listing(&program));
        }
    }
}

/// The bytes that stand for a program; its map references are taken as they are.
#[must_use]
pub fn verify_input(program: &Program) -> Vec<u8> {
    let prog_type = ProgType::ALL.iter().position(|known| *known == program.prog_type).unwrap_or_default();
    let is_global = |info: &FuncInfo| info.linkage == Linkage::Global;
    let functions = match &program.funcs[..] {
        [] => 0,
        [_, others @ ..] if others.iter().any(is_global) => WITH_FUNCS | ODD_ARE_GLOBAL,
        _ => WITH_FUNCS,
    };
    let licence = u8::from(!program.gpl_compatible());
    let mut bytes = vec![prog_type as u8, program.expected_attach_type as u8, functions, licence];
    bytes.extend(program.insns.iter().flat_map(|insn| insn.to_le_bytes()));
    bytes
}

/// The same bytes run the same (FNV-1a).
fn seed(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn program(bytes: &[u8]) -> Option<Arc<Program>> {
    let (header, slots) = bytes.split_at_checked(HEADER)?;
    let insns: Vec<Insn> =
        slots.as_chunks().0.iter().take(SLOTS_MAX).map(|slot| Insn::from_le_bytes(*slot)).collect();
    let prog_type = ProgType::ALL[usize::from(header[0]) % ProgType::ALL.len()];
    let maps: Arc<[MapSpec]> = fixture_maps().into();
    let funcs = if header[2] & WITH_FUNCS == 0 { Vec::new() } else { functions(&insns, header[2]) };
    let license = if header[3] & 1 == 0 { "GPL" } else { "Proprietary" };
    Some(Arc::new(Program {
        maps,
        funcs,
        expected_attach_type: u32::from(header[1] % 4),
        license: license.to_owned(),
        ..Program::new("fuzzed", prog_type, insns)
    }))
}

/// What BTF might say of the functions: all take the context and return a number.
fn functions(insns: &[Insn], how: u8) -> Vec<FuncInfo> {
    const CALL: u8 = 0x85;
    let calls = insns
        .iter()
        .enumerate()
        .filter(|(_, insn)| (insn.opcode == CALL && insn.src() == 1) || (insn.is_wide() && insn.src() == 4));
    let targets = calls.filter_map(|(pc, insn)| u32::try_from(pc as i64 + 1 + i64::from(insn.imm)).ok());
    let starts: BTreeSet<u32> =
        targets.filter(|&target| (target as usize) < insns.len()).chain([0]).collect();
    let linkage = |at: usize| match at {
        0 => Linkage::Global,
        at if at % 2 == 1 && how & ODD_ARE_GLOBAL != 0 => Linkage::Global,
        _ => Linkage::Static,
    };
    let info = |(at, insn_off)| FuncInfo {
        insn_off,
        name: format!("f{at}"),
        linkage: linkage(at),
        ret: ReturnKind::Scalar,
        args: vec![ArgKind::Ctx],
        btf_id: at as u32 + 1,
    };
    starts.into_iter().enumerate().map(info).collect()
}

type Verdict = Result<VerifiedProgram, VerifierError>;

fn judge(program: &Arc<Program>, log: LogLevel) -> Verdict {
    verify_program(Arc::clone(program), &Options { layout: &SKB_LAYOUT, log })
}

/// Writing down what happens changes nothing of it.
fn alike(plain: &Verdict, logged: &Verdict, program: &Program) {
    let same = match (plain, logged) {
        (Ok(plain), Ok(logged)) => plain.xlated() == logged.xlated(),
        (Err(plain), Err(logged)) => plain.message == logged.message && plain.pc == logged.pc,
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
    };
    assert!(same, "a log changes the verdict on\n{}", listing(program));
}

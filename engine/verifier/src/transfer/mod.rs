//! What each instruction does to a state. What it requires is asked of [`crate::check`] first.

mod alu;
mod call;
mod callback;
mod dynptr;
mod helper;
mod iter_num;
mod jump;
mod kfunc;
mod links;
mod memory;
mod object;
mod packet_load;
mod packet_range;
mod pointer;
mod reference;
mod region;
mod return_value;
mod stack;

use bpfreplay_isa::{CallTarget, Imm64, Instruction, Operand, Reg};

use crate::error::{Checked, refuse};
use crate::explore::{Env, Next};
use crate::state::{RegState, RegType, State};

/// Executes the instruction under way.
pub(crate) fn execute(env: &mut Env<'_>, state: &mut State, instruction: Instruction) -> Checked<Next> {
    let pc = env.pc();
    match instruction {
        Instruction::Alu { width, op, dst, src } => alu::binary(env, state, width, op, dst, src)?,
        Instruction::Neg { width, dst } => alu::neg(state, width, dst)?,
        Instruction::MovSx { width, size, dst, src } => alu::mov_sx(env, state, width, size, dst, src)?,
        Instruction::Endian { op, size, dst } => alu::endian(state, op, size, dst)?,
        Instruction::LoadImm64 { dst, value } => load_imm64(env, state, dst, value)?,
        Instruction::Load { size, signed, dst, base, off } => {
            let mode = if signed { memory::Extend::Sign } else { memory::Extend::Zero };
            memory::load(env, state, size, mode, dst, (base, off))?;
        }
        Instruction::Store { size, base, off, src } => memory::store(env, state, size, (base, off), src)?,
        Instruction::Atomic { size, op, base, off, src } => {
            memory::atomic(env, state, size, op, (base, off), src)?;
        }
        Instruction::LoadPacket { index, .. } => return packet_load::execute(env, state, index),
        Instruction::Jump { off, .. } => return Ok(Next::Goto((pc as i64 + 1 + i64::from(off)) as usize)),
        Instruction::JumpIf { width, op, dst, src, off } => {
            return jump::conditional(env, state, (width, op), dst, src, off);
        }
        Instruction::MayGoto { off } => return jump::may_goto(env, state, off),
        Instruction::Call(CallTarget::Helper(id)) => return helper::call(env, state, id),
        Instruction::Call(CallTarget::Local(off)) => return call::local(env, state, off),
        Instruction::Call(CallTarget::Kfunc(id)) => return kfunc::call(env, state, id),
        // Not in a program as it is given; the scan refuses the opcode.
        Instruction::TailCall => refuse!(Invalid, "unknown opcode f5"),
        Instruction::Exit => return call::exit(env, state),
    }
    Ok(Next::Goto(pc + instruction.slots()))
}

/// The register, initialised.
fn read(state: &State, reg: Reg) -> Checked<RegState> {
    let value = *state.reg(reg);
    if value.kind == RegType::NotInit {
        refuse!(Access, "R{} !read_ok", reg.number());
    }
    Ok(value)
}

/// The source operand: a register, initialised, or a number.
fn operand(state: &State, src: Operand) -> Checked<RegState> {
    match src {
        Operand::Imm(imm) => Ok(RegState::constant(i64::from(imm) as u64)),
        Operand::Reg(reg) => read(state, reg),
    }
}

/// r10 cannot be written.
fn writable(dst: Reg) -> Checked {
    if dst == Reg::FP {
        refuse!(Access, "frame pointer is read only");
    }
    Ok(())
}

fn load_imm64(env: &Env<'_>, state: &mut State, dst: Reg, value: Imm64) -> Checked {
    writable(dst)?;
    let loaded = match value {
        Imm64::Const(x) => RegState::constant(x),
        Imm64::Map(map) => RegState::pointer(RegType::MapPtr { map }),
        // The scan checked map and offset.
        Imm64::MapValue { map, off } => {
            RegState { off: off as i32, ..RegState::pointer(RegType::MapValue { map }) }
        }
        Imm64::Func(off) => callback::address(env, off)?,
        Imm64::BtfId(_) | Imm64::MapIndex(_) | Imm64::MapIndexValue { .. } => {
            refuse!(Unsupported, "kernel variables, and maps by index into fd_array, are not supported")
        }
    };
    state.set(dst, loaded);
    Ok(())
}

/// Packet pointers everywhere become numbers nobody knows: the packet may have moved
/// (linux: clear_all_pkt_pointers()).
fn forget_packet_pointers(state: &mut State) {
    state.each_mut(|reg| {
        if reg.kind.is_any_packet() {
            *reg = RegState::UNKNOWN;
        }
    });
}

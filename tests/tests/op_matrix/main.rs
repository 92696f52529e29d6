//! Every instruction, with every pair of registers and at the edges of its operands, on every engine: the whole
//! register file afterwards must be what `isa::sem` says. Packet loads and local calls, which it does not define, are
//! held against the packet's bytes and against a model in the test.
//!
//! A case is one instruction between two others' work: a prologue loads r0 to r9 from the packet, an epilogue stores
//! them there. The packet is therefore the register file; r10 is stored beside it, because it can be a source.

mod alu;
mod atomic;
mod calls;
mod fused;
mod harness;
mod jump;
mod memory;
mod packet_loads;

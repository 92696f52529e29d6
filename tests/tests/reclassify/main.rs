//! RECLASSIFY: a list of filters that starts again with what the last pass left.
//!
//! `strip`: the shipped program that takes one tunnel off a pass, against the same written natively. `passes`: how
//! often, what is handed along, and where Linux does not, on our hook and on the kernel's.

mod passes;
mod strip;

use std::collections::BTreeMap;
use std::fmt::Debug;

use bpfreplay_instance::{Engine, Instance, InstanceError, Options};
use bpfreplay_runtime::skb::{Bytes, Device, Frame, Hook, Link};
use bpfreplay_runtime::{Context, ExecutionContext, Packet, SkBuff};
use bpfreplay_uapi::MapType;

use super::scenario::Scenario;

/// What became of a scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Refused by the verifier, with its message.
    Refused(String),
    /// Ran on both engines without a fault; outcomes were not compared.
    Ran,
    /// Ran on both engines, alike.
    Alike,
}

impl Scenario {
    /// Verifies, runs, compares.
    ///
    /// # Errors
    ///
    /// In words: a fault, or what differs.
    pub fn check(&self) -> Result<Outcome, String> {
        let checked = match self.load(Engine::Interpreter)? {
            Ok(instance) => self.run(&instance)?,
            Err(refusal) => return Ok(Outcome::Refused(refusal)),
        };
        let native = match self.load(Engine::Jit)? {
            Ok(instance) => self.run(&instance)?,
            Err(refusal) => return Err(format!("accepted before, and now refused: {refusal}")),
        };
        if !self.comparable {
            return Ok(Outcome::Ran);
        }
        for (at, (checked, native)) in checked.iter().zip(&native).enumerate() {
            for ((what, checked), (_, native)) in checked.iter().zip(native) {
                if checked != native {
                    return Err(format!("run {at}: {what}: interpreter {checked}, jit {native}"));
                }
            }
        }
        Ok(Outcome::Alike)
    }

    fn load(&self, engine: Engine) -> Result<Result<Instance, String>, String> {
        match Instance::from_programs(&self.programs, &Options { engine, ..Options::default() }) {
            Ok(instance) => Ok(Ok(instance)),
            Err(error @ InstanceError::Verifier { .. }) => Ok(Err(error.to_string())),
            Err(error) => Err(format!("{} cannot load it: {error}", engine.name())),
        }
    }

    /// Every frame, and what each left.
    fn run(&self, instance: &Instance) -> Result<Vec<Left>, String> {
        let mut exec = ExecutionContext::new(0);
        let mut packet = Packet::new();
        let hook = Hook::Ingress(Device::default());
        let mut all = Vec::new();
        for bytes in &self.frames {
            let wire_len = bytes.len() as u32;
            let time_ns = 1_700_000_000_123_456_789;
            let frame = Frame { bytes: Bytes::Copied(bytes), link: Link::Ethernet, wire_len, time_ns };
            // The extremes may look like a VLAN tag cut off.
            let Ok(skb) = packet.load(frame, &hook) else { continue };
            exec.now_ns = time_ns;
            exec.tail_call_failures.clear();
            exec.trace.clear();
            exec.redirect = None;
            let r0 = instance.entry().run(Context::Skb(&mut *skb), &mut exec.batch());
            if let Some(fault) = exec.fault {
                let name = instance.program_name(fault.prog).unwrap_or("?");
                return Err(format!("{name} faults at xlated slot {}: {:?}", fault.pc, fault.kind));
            }
            all.push(left(r0, skb, &exec, instance));
        }
        Ok(all)
    }
}

/// What a run left, by name.
type Left = Vec<(String, String)>;

fn left(r0: u64, skb: &SkBuff, exec: &ExecutionContext, instance: &Instance) -> Left {
    let mut left = Left::new();
    let mut note = |what: &str, value: &dyn Debug| left.push((what.to_owned(), format!("{value:x?}")));
    note("r0", &r0);
    note("packet", &skb.packet());
    note("mark, priority", &(skb.mark, skb.priority));
    note("cb", &skb.cb);
    note("hash", &skb.hash);
    note("tc_index, tc_classid, queue_mapping", &(skb.tc_index, skb.tc_classid, skb.queue_mapping));
    note("tstamp", &skb.tstamp);
    note("vlan", &(skb.vlan_present, skb.vlan_proto, skb.vlan_tci));
    note("protocol, pkt_type", &(skb.protocol, skb.pkt_type));
    let name = |id| instance.program_name(id).unwrap_or("?").to_owned();
    let path: Vec<_> = exec
        .path()
        .iter()
        .enumerate()
        .map(|(at, entry)| {
            // How the entry was reached is meaningless.
            (name(entry.prog), (at > 0).then_some(entry.index))
        })
        .collect();
    note("tail calls", &exec.tail_call_cnt);
    note("path", &path);
    let failures: BTreeMap<_, _> = exec
        .tail_call_failures
        .sorted()
        .into_iter()
        .map(|(failure, count)| ((name(failure.prog), failure.insn, failure.index, failure.reason), count))
        .collect();
    note("failed tail calls", &failures);
    note("random numbers", &exec.prandom);
    note("redirect", &exec.redirect);
    let lines: Vec<_> =
        exec.trace.lines().map(|line| String::from_utf8_lossy(line.text).into_owned()).collect();
    note("trace", &lines);
    for map in instance.maps() {
        if map.spec().map_type == MapType::ProgArray {
            continue;
        }
        let mut entries = BTreeMap::new();
        map.for_each(|key, value| drop(entries.insert(key.to_vec(), value.to_vec())))
            .expect("user space may read it");
        note(&map.spec().name, &entries);
    }
    left
}

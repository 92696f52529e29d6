//! `--engine both`: the first frame two engines do not agree on.

use std::fmt;

use bpfreplay_runtime::skb::Header;
use bpfreplay_runtime::{ProgramId, SkBuff};

use crate::frame::{PacketView, Refusal};
use crate::pipeline::PipelineResult;
use crate::programs::Programs;
use crate::records::{Record, Records};

/// A frame on which two engines differ, and in what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Number of the frame.
    pub frame: u64,
    /// What differs: what it is, and what each engine has.
    pub fields: Vec<(String, String, String)>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the engines differ on frame {}:", self.frame)?;
        for (what, first, second) in &self.fields {
            write!(f, "\n  {what}: {first} and {second}")?;
        }
        Ok(())
    }
}

/// How one engine left a frame.
pub(crate) struct Left<'a> {
    pub outcome: Result<(PipelineResult, PacketView<'a>), Refusal>,
    pub path: &'a [ProgramId],
    pub faulted: bool,
    pub programs: &'a Programs,
    pub records: &'a Records,
}

/// Compares what can be seen of a frame after the run: None if it is the same.
pub(crate) fn compare(frame: u64, first: &Left<'_>, second: &Left<'_>) -> Option<Box<Difference>> {
    let mut fields = Fields::default();
    match (&first.outcome, &second.outcome) {
        (Ok((a, packet_a)), Ok((b, packet_b))) => {
            fields.numbers("return value", a.retval.into(), b.retval.into());
            fields.numbers("verdict", a.action.into(), b.action.into());
            fields.numbers("restarts", a.restarts.into(), b.restarts.into());
            let [linear_a, rest_a] = packet_a.parts();
            let [linear_b, rest_b] = packet_b.parts();
            fields.bytes("packet", linear_a, linear_b);
            fields.bytes("fragments", rest_a, rest_b);
            match (packet_a, packet_b) {
                (PacketView::Skb(a), PacketView::Skb(b)) => {
                    for ((name, a), (_, b)) in context(a).into_iter().zip(context(b)) {
                        fields.numbers(name, a.into(), b.into());
                    }
                }
                (PacketView::Xdp(a), PacketView::Xdp(b)) => {
                    fields.bytes("metadata", a.metadata(), b.metadata());
                }
                (PacketView::Skb(_), PacketView::Xdp(_)) | (PacketView::Xdp(_), PacketView::Skb(_)) => {
                    fields.numbers("kind of context", 0, 1);
                }
            }
        }
        (Err(a), Err(b)) if a == b => {}
        (a, b) => {
            let describe = |outcome: &Result<_, Refusal>| match outcome {
                Ok(_) => "ran".to_owned(),
                Err(refusal) => format!("refused: {refusal}"),
            };
            fields.0.push(("outcome".to_owned(), describe(a), describe(b)));
        }
    }
    if !same_path(first, second) {
        fields.0.push(("path".to_owned(), path(first), path(second)));
    }
    fields.records(first.records, second.records);
    if first.faulted != second.faulted {
        fields.0.push(("fault".to_owned(), first.faulted.to_string(), second.faulted.to_string()));
    }
    (!fields.0.is_empty()).then(|| Box::new(Difference { frame, fields: fields.0 }))
}

/// What differs so far.
#[derive(Default)]
struct Fields(Vec<(String, String, String)>);

impl Fields {
    #[inline]
    fn numbers(&mut self, what: &str, first: i128, second: i128) {
        if first != second {
            self.0.push((what.to_owned(), first.to_string(), second.to_string()));
        }
    }

    fn bytes(&mut self, what: &str, first: &[u8], second: &[u8]) {
        if first.len() != second.len() {
            self.numbers(&format!("{what} length"), first.len() as i128, second.len() as i128);
        }
        if let Some(at) = first.iter().zip(second).position(|(a, b)| a != b) {
            let hex = |byte: u8| format!("{byte:#04x}");
            self.0.push((format!("{what} byte {at}"), hex(first[at]), hex(second[at])));
        }
    }
}

/// The first record that differs.
impl Fields {
    fn records(&mut self, first: &Records, second: &Records) {
        let (mut a, mut b) = (first.iter(), second.iter());
        loop {
            match (a.next(), b.next()) {
                (None, None) => return,
                (a, b) if a == b => {}
                (a, b) => {
                    let show = |record: Option<Record<'_>>| {
                        record.map_or_else(
                            || "none".to_owned(),
                            |record| format!("{}: {:02x?}", record.map, record.data),
                        )
                    };
                    self.0.push(("record".to_owned(), show(a), show(b)));
                    return;
                }
            }
        }
    }
}

/// Programs are prepared once an engine, so they agree by name and not by id.
fn same_path(first: &Left<'_>, second: &Left<'_>) -> bool {
    first.path.len() == second.path.len()
        && first
            .path
            .iter()
            .zip(second.path)
            .all(|(a, b)| first.programs.name(*a) == second.programs.name(*b))
}

fn path(of: &Left<'_>) -> String {
    of.path.iter().map(|prog| of.programs.name(*prog)).collect::<Vec<_>>().join(" > ")
}

/// What programs can see of the context, but for addresses.
fn context(skb: &SkBuff) -> [(&'static str, u64); 24] {
    let [cb0, cb1, cb2, cb3, cb4] = skb.cb.map(u64::from);
    [
        ("mark", skb.mark.into()),
        ("priority", skb.priority.into()),
        ("cb[0]", cb0),
        ("cb[1]", cb1),
        ("cb[2]", cb2),
        ("cb[3]", cb3),
        ("cb[4]", cb4),
        ("ifindex", skb.ifindex.into()),
        ("ingress_ifindex", skb.ingress_ifindex.into()),
        ("hash", skb.hash.into()),
        ("wire_len", skb.wire_len.into()),
        ("vlan_present", skb.vlan_present.into()),
        ("vlan_proto", skb.vlan_proto.into()),
        ("vlan_tci", skb.vlan_tci.into()),
        ("protocol", skb.protocol.into()),
        ("queue_mapping", skb.queue_mapping.into()),
        ("tc_index", skb.tc_index.into()),
        ("tc_classid", skb.tc_classid.into()),
        ("gso_segs", skb.gso_segs.into()),
        ("gso_size", skb.gso_size.into()),
        ("pkt_type", skb.pkt_type.into()),
        ("tstamp_type", skb.tstamp_type.into()),
        ("tstamp", skb.tstamp),
        ("network header", i64::from(skb.header_offset(Header::Net)) as u64),
    ]
}

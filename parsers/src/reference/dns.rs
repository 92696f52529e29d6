//! DNS (RFC 1035): the header, and the name of the first question.

use pnet_packet::dns::DnsPacket;

use super::walk::{Next, Walk};
use crate::{Proto, Reason};

/// RFC 1035 section 2.3.4.
const NAME_MAX: usize = 255;
/// RFC 1035 section 2.3.4.
const LABEL_MAX: u8 = 63;

pub(super) fn message(walk: &mut Walk<'_>) -> Next {
    let Some(header) = DnsPacket::new(walk.rest()) else {
        return Next::End(Reason::TruncDns);
    };
    let mut len = DnsPacket::minimum_packet_size();
    if header.get_query_count() != 0 {
        match name_len(&walk.rest()[len..]) {
            Ok(name) => len += name + 4, // QTYPE and QCLASS
            Err(reason) => return Next::End(reason),
        }
    }
    if walk.rest().len() < len {
        return Next::End(Reason::TruncDns);
    }
    walk.found(Proto::Dns);
    walk.pass(len);
    Next::End(Reason::Parsed)
}

/// Bytes of the name at the start of `questions`, the root label included. A
/// pointer is no way to begin: it leads back to a name, and there was none.
fn name_len(questions: &[u8]) -> Result<usize, Reason> {
    let mut len = 0;
    loop {
        let label = *questions.get(len).ok_or(Reason::TruncDns)?;
        if label > LABEL_MAX {
            return Err(Reason::BadDnsName);
        }
        len += 1 + usize::from(label);
        if len > NAME_MAX {
            return Err(Reason::BadDnsName);
        }
        if label == 0 {
            return Ok(len);
        }
    }
}

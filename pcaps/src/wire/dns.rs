//! DNS messages (RFC 1035 section 4).

use super::len16;

/// A resource record to answer with; its owner is the name asked for.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub struct DnsRecord {
    pub kind: u16,
    pub ttl: u32,
    pub data: Vec<u8>,
}

/// A name as labels (RFC 1035 section 3.1), without compression.
pub fn dns_name(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|label| !label.is_empty());
    let mut bytes: Vec<u8> = labels
        .flat_map(|label| {
            let len = u8::try_from(label.len()).expect("a label has at most 63 bytes");
            std::iter::once(len).chain(label.bytes())
        })
        .collect();
    bytes.push(0);
    bytes
}

/// A query with recursion desired, class IN.
pub fn dns_query(ident: u16, name: &str, kind: u16) -> Vec<u8> {
    [&header(ident, 0x0100, 1, 0)[..], &question(name, kind)].concat()
}

/// The response to [`dns_query`]: every answer names its owner by a pointer to the question
/// (RFC 1035 section 4.1.4).
pub fn dns_response(ident: u16, name: &str, kind: u16, answers: &[DnsRecord]) -> Vec<u8> {
    let mut bytes = header(ident, 0x8180, 1, len16(answers.len()));
    bytes.extend(question(name, kind));
    for answer in answers {
        bytes.extend([0xc0, 0x0c]);
        bytes.extend(answer.kind.to_be_bytes());
        bytes.extend(CLASS_IN.to_be_bytes());
        bytes.extend(answer.ttl.to_be_bytes());
        bytes.extend(len16(answer.data.len()).to_be_bytes());
        bytes.extend(&answer.data);
    }
    bytes
}

const CLASS_IN: u16 = 1;

fn header(ident: u16, flags: u16, questions: u16, answers: u16) -> Vec<u8> {
    [ident, flags, questions, answers, 0, 0].iter().flat_map(|field| field.to_be_bytes()).collect()
}

fn question(name: &str, kind: u16) -> Vec<u8> {
    [&dns_name(name)[..], &kind.to_be_bytes(), &CLASS_IN.to_be_bytes()].concat()
}

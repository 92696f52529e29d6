//! The headers that stand between Ethernet and IP.

/// What follows an EtherType 0x8100, 0x88a8 or 0x9100 (IEEE 802.1Q section 9.3):
///
/// ```text
///  3 bits PCP | 1 DEI | 12 VLAN id | 16 bits EtherType of what follows
///  \________ tci ________________/
/// ```
pub fn vlan(tci: u16, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&tci.to_be_bytes()[..], &ethertype.to_be_bytes(), payload].concat()
}

/// An MPLS label stack, bottom-of-stack bit set on the last (RFC 3032 section 2.1):
///
/// ```text
///  20 bits label | 3 traffic class | 1 bottom | 8 TTL
/// ```
pub fn mpls(labels: &[u32], payload: &[u8]) -> Vec<u8> {
    let bottom = labels.len().saturating_sub(1);
    let stack = labels.iter().enumerate().flat_map(|(depth, label)| {
        let entry = (label << 12) | (u32::from(depth == bottom) << 8) | 64;
        entry.to_be_bytes()
    });
    stack.chain(payload.iter().copied()).collect()
}

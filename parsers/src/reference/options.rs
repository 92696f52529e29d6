//! Option lists of IPv4 (RFC 791 section 3.1) and TCP (RFC 9293 section 3.1).

/// Whether a list is well formed: single bytes 0 (which ends it) and 1, else a
/// kind, a length that counts both bytes, and so much data; and whether each
/// length is one that `fits` its kind.
pub(super) fn well_formed(mut list: &[u8], fits: impl Fn(u8, usize) -> bool) -> bool {
    loop {
        list = match *list {
            [] | [0, ..] => return true,
            [1, ref rest @ ..] => rest,
            [_] => return false,
            [kind, len, ..] => {
                let len = usize::from(len);
                if len < 2 || !fits(kind, len) {
                    return false;
                }
                match list.get(len..) {
                    Some(rest) => rest,
                    None => return false,
                }
            }
        };
    }
}

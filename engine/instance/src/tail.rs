use std::fmt;
use std::str::FromStr;

/// A slot to fill after `.values`, as `MAP[INDEX]=PROG` on the command line. `MAP[INDEX]=` empties the slot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tail {
    /// The prog array.
    pub map: String,
    /// The slot.
    pub index: u32,
    /// The program; `None`: nothing.
    pub program: Option<String>,
}

/// A text that is no [`Tail`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("'{text}' is not MAP[INDEX]=PROG: {reason}")]
pub struct BadTail {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl FromStr for Tail {
    type Err = BadTail;

    fn from_str(text: &str) -> Result<Tail, BadTail> {
        let bad = |reason| BadTail { text: text.to_owned(), reason };
        let (place, program) = text.split_once('=').ok_or_else(|| bad("there is no '='"))?;
        let (map, rest) = place.split_once('[').ok_or_else(|| bad("there is no '['"))?;
        let index = rest.strip_suffix(']').ok_or_else(|| bad("there is no ']' before '='"))?;
        let index = match index.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => index.parse(),
        };
        let index = index.map_err(|_| bad("the index is not a 32-bit number"))?;
        if map.is_empty() {
            return Err(bad("the map has no name"));
        }
        let program = (!program.is_empty()).then(|| program.to_owned());
        Ok(Tail { map: map.to_owned(), index, program })
    }
}

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]={}", self.map, self.index, self.program.as_deref().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notation() {
        let tail: Tail = "ipproto_jmp_table[6]=parse_tcp".parse().expect("good");
        assert_eq!(
            tail,
            Tail { map: "ipproto_jmp_table".into(), index: 6, program: Some("parse_tcp".into()) }
        );
        assert_eq!(tail.to_string(), "ipproto_jmp_table[6]=parse_tcp");
        assert_eq!("t[0x11]=".parse(), Ok(Tail { map: "t".into(), index: 17, program: None }));
        for bad in ["", "t", "t=p", "t[6=p", "t[x]=p", "t[4294967296]=p", "[1]=p", "t[-1]=p"] {
            assert!(bad.parse::<Tail>().is_err(), "{bad}");
        }
    }
}

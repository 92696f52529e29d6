use std::fmt;

/// Why a source does not assemble, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AssembleError {
    /// Line of the source, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub kind: AssembleErrorKind,
}

/// What is wrong with a source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AssembleErrorKind {
    /// A character that begins no token.
    UnknownCharacter(char),
    /// A number that does not fit 64 bits, or is none.
    BadNumber(String),
    /// Something else stands where only this can.
    Expected {
        /// What can stand there.
        what: &'static str,
        /// What does.
        found: String,
    },
    /// A number outside the range of its field.
    OutOfRange {
        /// What the number is.
        what: &'static str,
        /// The number.
        value: i128,
        /// Least value.
        min: i64,
        /// Greatest value.
        max: u64,
    },
    /// `r` and `w` registers in one instruction, or a `w` register where the width is 64 bits.
    MixedWidths,
    /// An instruction whose result register is fixed or repeated names another one.
    WrongRegister {
        /// The register it must be, as written.
        want: String,
        /// The register found.
        found: String,
    },
    /// A label defined twice.
    DuplicateLabel(String),
    /// A jump to a label that is not defined.
    UnknownLabel(String),
    /// A call of a name that is neither a label nor a helper.
    UnknownFunction(String),
    /// A map that does not exist.
    UnknownMap(String),
    /// A label too far away for the instruction's offset.
    TooFar {
        /// The label.
        label: String,
        /// Slots between the next instruction and the label.
        distance: i64,
    },
}

impl fmt::Display for AssembleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.kind)
    }
}

impl fmt::Display for AssembleErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AssembleErrorKind::UnknownCharacter(c) => write!(f, "unknown character {c:?}"),
            AssembleErrorKind::BadNumber(text) => write!(f, "{text:?} is not a number of at most 64 bits"),
            AssembleErrorKind::Expected { what, found } => write!(f, "expected {what}, found {found}"),
            AssembleErrorKind::OutOfRange { what, value, min, max } => {
                write!(f, "{what} {value} is not in {min}..={max}")
            }
            AssembleErrorKind::MixedWidths => {
                write!(f, "r and w registers do not mix here: w is the low 32 bits, r all 64")
            }
            AssembleErrorKind::WrongRegister { want, found } => {
                write!(f, "register must be {want}, not {found}")
            }
            AssembleErrorKind::DuplicateLabel(name) => write!(f, "label {name:?} is defined twice"),
            AssembleErrorKind::UnknownLabel(name) => write!(f, "label {name:?} is not defined"),
            AssembleErrorKind::UnknownFunction(name) => {
                write!(f, "{name:?} is neither a label nor a helper: helpers are called bpf_… or by number")
            }
            AssembleErrorKind::UnknownMap(name) => write!(f, "map {name:?} is not defined"),
            AssembleErrorKind::TooFar { label, distance } => {
                write!(f, "label {label:?} is {distance} slots away, the offset has 16 bits: use gotol")
            }
        }
    }
}

impl std::error::Error for AssembleError {}

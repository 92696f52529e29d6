/// What is wrong with a `.BTF` section, and where.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{problem}, at {offset:#x}")]
pub struct BtfError {
    /// Bytes from the start of the section; 0 where no single type is meant.
    pub offset: usize,
    /// What is wrong there.
    pub problem: BtfProblem,
}

/// What is wrong with type information.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BtfProblem {
    /// Not BTF, or not version 1.
    #[error("not BTF version 1")]
    Header,
    /// Ends in the middle of something.
    #[error("BTF ends within {0}")]
    Truncated(&'static str),
    /// A type kind that does not exist.
    #[error("BTF kind {0} is not known")]
    Kind(u32),
    /// A type id beyond the table.
    #[error("BTF type id {id} of {count}")]
    TypeId {
        /// The id.
        id: u32,
        /// Types there are.
        count: usize,
    },
    /// A string offset beyond the table, or text that is not UTF-8.
    #[error("BTF string offset {0} has no string")]
    String(u32),
    /// Types that contain themselves.
    #[error("BTF type {0} refers to itself or is nested too deeply")]
    Loop(u32),
}

impl BtfProblem {
    /// With its place.
    pub(crate) fn at(self, offset: usize) -> BtfError {
        BtfError { offset, problem: self }
    }
}

/// Why a value cannot be shown as its type says.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FormatError {
    /// The types themselves.
    #[error("{0}")]
    Btf(#[from] BtfError),
    /// A type that covers more bytes than there are.
    #[error("BTF type {type_id} ends at byte {end} of a value of {size} bytes")]
    PastEnd {
        /// The type.
        type_id: u32,
        /// Where it ends.
        end: u64,
        /// Bytes of the value.
        size: usize,
    },
    /// An array of what has no size.
    #[error("BTF type {type_id} has no size, an array of it cannot be shown")]
    NoSize {
        /// The type of the elements.
        type_id: u32,
    },
    /// An enumeration that is no C integer.
    #[error("BTF type {type_id} is an enumeration of {size} bytes, not 1, 2, 4 or 8")]
    EnumSize {
        /// The enumeration.
        type_id: u32,
        /// Its size.
        size: u32,
    },
    /// A bit field or integer that is too wide.
    #[error("BTF type {type_id} has a value of {bits} bits; the limit is 128")]
    Bits {
        /// The integer, or the structure the bit field is in.
        type_id: u32,
        /// Its width.
        bits: u32,
    },
    /// An integer that is signed, a character and a truth value, or two of these.
    #[error("BTF type {type_id} has encoding {encoding}, which is not one of BTF_INT_*")]
    Encoding {
        /// The integer.
        type_id: u32,
        /// `BTF_INT_ENCODING`.
        encoding: u32,
    },
    /// Types in types in types, or one that contains itself.
    #[error("BTF type {type_id} is nested more than {limit} levels deep")]
    TooDeep {
        /// Where it was given up.
        type_id: u32,
        /// Levels at the most.
        limit: usize,
    },
    /// More text than a value of this size may have.
    #[error("the value as text is longer than {limit} bytes")]
    TooLong {
        /// Bytes at the most.
        limit: usize,
    },
}

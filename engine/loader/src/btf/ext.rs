//! The `.BTF.ext` section: what BTF says of single instructions.

use std::collections::HashMap;

use bpfreplay_btf::{BTF_MAGIC, BTF_VERSION, Btf, BtfProblem, Bytes};

use crate::error::{BtfObjectProblem, LoadError, LoadErrorKind};

/// The three tables, by the section the instructions are in.
#[derive(Default)]
pub(crate) struct Ext {
    funcs: HashMap<String, Vec<FuncRecord>>,
    lines: HashMap<String, Vec<LineRecord>>,
    relos: HashMap<String, Vec<CoreRecord>>,
}

/// One row of a table: what it says, and of which instruction.
trait Record {
    /// Bytes from the start of the section.
    fn offset(&self) -> u32;
}

/// `struct bpf_func_info`.
#[derive(Clone, Copy)]
pub(crate) struct FuncRecord {
    /// Bytes from the start of the section.
    pub(crate) offset: u32,
    pub(crate) type_id: u32,
}

/// `struct bpf_line_info`.
#[derive(Clone, Copy)]
pub(crate) struct LineRecord {
    /// Bytes from the start of the section.
    pub(crate) offset: u32,
    pub(crate) file_off: u32,
    pub(crate) text_off: u32,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// `struct bpf_core_relo`.
#[derive(Clone, Copy)]
pub(crate) struct CoreRecord {
    /// Bytes from the start of the section.
    pub(crate) offset: u32,
    pub(crate) type_id: u32,
    pub(crate) access_off: u32,
    pub(crate) kind: u32,
}

impl Record for FuncRecord {
    fn offset(&self) -> u32 {
        self.offset
    }
}

impl Record for LineRecord {
    fn offset(&self) -> u32 {
        self.offset
    }
}

impl Record for CoreRecord {
    fn offset(&self) -> u32 {
        self.offset
    }
}

impl Ext {
    /// Reads a `.BTF.ext` section.
    pub(crate) fn parse(section: &[u8], btf: &Btf) -> Result<Ext, LoadError> {
        let short = || problem(0, BtfProblem::Truncated("the header of .BTF.ext"));
        let mut header = Bytes::new(section);
        let magic = header.u16().ok_or_else(short)?;
        let [version, _flags] = header.array().ok_or_else(short)?;
        if magic != BTF_MAGIC || version != BTF_VERSION {
            return Err(problem(0, BtfProblem::Header));
        }
        let header_len = header.u32().ok_or_else(short)? as usize;
        let body = section.get(header_len..).ok_or_else(short)?;
        // An older header ends before the CO-RE table.
        let mut fields = Bytes::new(section.get(8..header_len).ok_or_else(short)?);
        let mut table = |what| {
            let (Some(off), Some(len)) = (fields.u32(), fields.u32()) else { return Ok(&body[..0]) };
            body.get(off as usize..)
                .and_then(|rest| rest.get(..len as usize))
                .ok_or_else(|| problem(header_len, BtfProblem::Truncated(what)))
        };
        let (funcs, lines, relos) = (table(FUNC_INFO)?, table(LINE_INFO)?, table(CORE_RELO)?);
        Ok(Ext {
            funcs: read_table(funcs, FUNC_INFO, btf, |[offset, type_id]| FuncRecord { offset, type_id })?,
            lines: read_table(lines, LINE_INFO, btf, |[offset, file_off, text_off, line_col]| LineRecord {
                offset,
                file_off,
                text_off,
                line: line_col >> 10,
                column: line_col & 0x3ff,
            })?,
            relos: read_table(relos, CORE_RELO, btf, |[offset, type_id, access_off, kind]| CoreRecord {
                offset,
                type_id,
                access_off,
                kind,
            })?,
        })
    }

    /// The function that starts at a byte offset of a section.
    pub(crate) fn func_at(&self, section: &str, offset: u64) -> Option<FuncRecord> {
        let records = self.funcs.get(section)?;
        let at = records.partition_point(|record| u64::from(record.offset) < offset);
        records.get(at).filter(|record| u64::from(record.offset) == offset).copied()
    }

    /// The lines of a range of bytes of a section, ascending.
    pub(crate) fn lines_in(&self, section: &str, start: u64, end: u64) -> &[LineRecord] {
        let records = self.lines.get(section).map_or(&[][..], Vec::as_slice);
        let before = |limit: u64| records.partition_point(|record| u64::from(record.offset) < limit);
        &records[before(start)..before(end)]
    }

    /// The CO-RE relocations by section.
    pub(crate) fn core_relos(&self) -> impl Iterator<Item = (&str, &[CoreRecord])> {
        self.relos.iter().map(|(section, records)| (section.as_str(), records.as_slice()))
    }
}

const FUNC_INFO: &str = "func_info";
const LINE_INFO: &str = "line_info";
const CORE_RELO: &str = "core_relo";

/// A table: record size, then for each section its name, a count, and the records. Records may be longer than the
/// `N` words known here (newer compilers), never shorter.
fn read_table<const N: usize, T: Record>(
    bytes: &[u8],
    what: &'static str,
    btf: &Btf,
    record: impl Fn([u32; N]) -> T,
) -> Result<HashMap<String, Vec<T>>, LoadError> {
    let mut out: HashMap<String, Vec<T>> = HashMap::new();
    if bytes.is_empty() {
        return Ok(out);
    }
    let short = || problem(0, BtfProblem::Truncated(what));
    let mut rest = Bytes::new(bytes);
    let size = rest.u32().ok_or_else(short)?;
    if (size as usize) < N * 4 || size % 4 != 0 {
        return Err(LoadError::at(
            ".BTF.ext",
            0,
            LoadErrorKind::BtfObject(BtfObjectProblem::RecordSize { what, size }),
        ));
    }
    while !rest.is_empty() {
        let section = btf.string(rest.u32().ok_or_else(short)?)?;
        let count = rest.u32().ok_or_else(short)?;
        let records = out.entry(section.to_owned()).or_default();
        for _ in 0..count {
            let mut words = Bytes::new(rest.take(size as usize).ok_or_else(short)?);
            let mut known = [0u32; N];
            for word in &mut known {
                *word = words.u32().ok_or_else(short)?;
            }
            records.push(record(known));
        }
    }
    for records in out.values_mut() {
        records.sort_by_key(Record::offset);
    }
    Ok(out)
}

fn problem(offset: usize, problem: BtfProblem) -> LoadError {
    LoadError::at(".BTF.ext", offset as u64, LoadErrorKind::Btf(problem))
}

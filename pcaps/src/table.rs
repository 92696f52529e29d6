//! The provenance table of `pcaps/README.md` and the sums beside it, made from the files themselves.

use std::fmt::Write as _;
use std::io;

use sha2::{Digest, Sha256};

use crate::catalogue::{CAPTURES, Capture, Origin};
use crate::inspect::inspect;

const BEGIN: &str = "<!-- captures: written by `cargo run -p bpfreplay-pcaps` -->\n";
const END: &str = "<!-- end of captures -->\n";

/// `readme` with the rows between its two markers made anew from the captures on disk.
///
/// # Errors
///
/// A capture that cannot be read from disk, or a README without the markers.
pub fn readme_with_table(readme: &str) -> io::Result<String> {
    let missing = |marker: &str| io::Error::other(format!("no line {marker:?} in the README"));
    let (head, rest) = readme.split_once(BEGIN).ok_or_else(|| missing(BEGIN))?;
    let (_, tail) = rest.split_once(END).ok_or_else(|| missing(END))?;
    Ok([head, BEGIN, &table()?, END, tail].concat())
}

/// The sums of all captures in the format of `sha256sum`.
///
/// # Errors
///
/// A capture that cannot be read from disk.
pub fn sums() -> io::Result<String> {
    CAPTURES.iter().try_fold(String::new(), |mut sums, capture| {
        let digest = Sha256::digest(read(capture)?);
        for byte in digest {
            write!(sums, "{byte:02x}").expect("a string takes every write");
        }
        writeln!(sums, "  {}", capture.file).expect("a string takes every write");
        Ok(sums)
    })
}

fn table() -> io::Result<String> {
    let head =
        "| file | frames | link types | bytes | shows | made by |\n|---|--:|---|--:|---|---|\n".to_owned();
    CAPTURES.iter().try_fold(head, |mut table, capture| {
        let bytes = read(capture)?;
        let (frames, link_types) = facts(capture, &bytes);
        let origin = match capture.origin {
            Origin::Generated { case, .. } => format!("`{}`", case.replace(" :: ", "::")),
            Origin::Recorded { section } => format!("`record.sh {section}`"),
        };
        let (file, shows, size) = (capture.file, capture.shows, bytes.len());
        writeln!(table, "| {file} | {frames} | {link_types} | {size} | {shows} | {origin} |")
            .expect("a string takes every write");
        Ok(table)
    })
}

fn facts(capture: &Capture, bytes: &[u8]) -> (String, String) {
    match inspect(bytes) {
        Ok(found) if capture.is_readable() => {
            let link_types: Vec<_> = found.link_types.iter().map(u32::to_string).collect();
            (found.frames.to_string(), link_types.join(", "))
        }
        _ => ("–".to_owned(), "–".to_owned()),
    }
}

fn read(capture: &Capture) -> io::Result<Vec<u8>> {
    let path = capture.path();
    std::fs::read(&path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

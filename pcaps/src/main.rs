//! Writes the generated captures, the table and the sums; with `--check`, only compares.
#![forbid(unsafe_code)]

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, io};

use bpfreplay_pcaps::{CAPTURES, Origin, directory, readme_with_table, sums};

const USAGE: &str = "usage: generate [--check]\n";

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let wanted: fn(&Path, &[u8]) -> io::Result<Outcome> =
        match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] => write,
            ["--check"] => compare,
            _ => {
                let _ = io::stderr().write_all(USAGE.as_bytes());
                return ExitCode::from(2);
            }
        };
    match run(wanted) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "generate: {error}");
            ExitCode::from(2)
        }
    }
}

/// What became of one file.
enum Outcome {
    Same,
    Written,
    Differs,
}

/// Brings every file to `put`; gives the number of files that differ from what they should be.
fn run(put: fn(&Path, &[u8]) -> io::Result<Outcome>) -> io::Result<usize> {
    let mut differing = 0;
    let mut report = |path: &Path, wanted: &[u8]| -> io::Result<()> {
        let word = match put(path, wanted)? {
            Outcome::Same => return Ok(()),
            Outcome::Written => "written",
            Outcome::Differs => {
                differing += 1;
                "differs"
            }
        };
        writeln!(io::stdout(), "{word}: {}", path.display())
    };
    for capture in CAPTURES {
        if let Origin::Generated { build, .. } = capture.origin {
            report(&capture.path(), &build())?;
        }
    }
    // The table and the sums speak of the files on disk, so they come last.
    report(&directory().join("SHA256SUMS"), sums()?.as_bytes())?;
    let readme = directory().join("README.md");
    let renewed = readme_with_table(&fs::read_to_string(&readme)?)?;
    report(&readme, renewed.as_bytes())?;
    Ok(differing)
}

fn write(path: &Path, wanted: &[u8]) -> io::Result<Outcome> {
    if let Outcome::Same = compare(path, wanted)? {
        return Ok(Outcome::Same);
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, wanted)?;
    Ok(Outcome::Written)
}

fn compare(path: &Path, wanted: &[u8]) -> io::Result<Outcome> {
    match fs::read(path) {
        Ok(found) if found == wanted => Ok(Outcome::Same),
        Ok(_) => Ok(Outcome::Differs),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Outcome::Differs),
        Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
    }
}

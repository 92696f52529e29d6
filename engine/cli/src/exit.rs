//! How the command ends.

use std::process::ExitCode;

use crate::complain;

/// The command ran.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// Everything was done.
    Done,
    /// The replay ended early, frames were refused, or a program was refused by the verifier; the report says why.
    Partly,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        match exit {
            Exit::Done => ExitCode::SUCCESS,
            Exit::Partly => ExitCode::from(1),
        }
    }
}

/// The command did not come to run.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Usage, or an object that cannot run.
    Usage(anyhow::Error),
}

impl Failure {
    pub(crate) fn tell(self) -> ExitCode {
        match self {
            Failure::Usage(error) => complain(&chain(&error)),
        }
        ExitCode::from(2)
    }
}

/// The error and its causes on one line. Errors that already say their cause do not say it twice.
pub(crate) fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.ends_with(&cause) {
            let separator = if text.is_empty() { "" } else { ": " };
            text = format!("{text}{separator}{cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    #[test]
    fn a_cause_is_said_once() {
        let error = Err::<(), _>(anyhow::anyhow!("why")).context("what: why").context("where").unwrap_err();
        assert_eq!(super::chain(&error), "where: what: why");
    }
}

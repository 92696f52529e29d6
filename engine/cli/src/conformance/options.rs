use std::io::{self, Read};

use anyhow::{Context, bail};
use bpfreplay_instance::Engine;
use clap::Args;

/// Bytes of hex read from standard input: an object of the largest size, three characters a byte.
const INPUT_MAX: u64 = 3 * (bpfreplay_loader::OBJECT_SIZE_MAX as u64) + 1;

/// The arguments as the runner passes them; the first that is no option is the memory.
#[derive(Args, Debug)]
pub(crate) struct Plugin {
    /// `[MEMORY] [--program HEX] [--engine jit|interpreter] [--elf] [--debug]`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Options {
    pub(super) engine: Engine,
    pub(super) memory: Vec<u8>,
    /// The program is an object.
    pub(super) elf: bool,
    program: Option<String>,
}

impl Options {
    /// Options may come in one argument or in several; empty ones are what a runner without any passes.
    pub(super) fn parse(args: &[String]) -> anyhow::Result<Options> {
        let mut options =
            Options { engine: Engine::default(), memory: Vec::new(), elf: false, program: None };
        let mut memory = None;
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            if !arg.trim_start().starts_with("--") {
                if memory.is_none() {
                    memory = Some(arg);
                } else if !arg.trim().is_empty() {
                    bail!("unexpected argument '{arg}'");
                }
                continue;
            }
            let mut words = arg.split_whitespace().map(str::to_owned);
            while let Some(word) = words.next() {
                let mut value = || words.next().or_else(|| args.next().cloned());
                match word.as_str() {
                    // Other plugins say more with it; this one says everything anyway.
                    "--debug" => {}
                    "--elf" => options.elf = true,
                    "--jit" => options.engine = Engine::Jit,
                    "--interpreter" => options.engine = Engine::Interpreter,
                    "--engine" => {
                        options.engine = value().context("--engine wants jit or interpreter")?.parse()?;
                    }
                    "--program" => options.program = Some(value().context("--program wants bytes in hex")?),
                    _ => bail!("unexpected option '{word}'"),
                }
            }
        }
        options.memory = memory.map_or_else(|| Ok(Vec::new()), |memory| bytes(memory))?;
        Ok(options)
    }

    /// The program's bytes: the option's, else those on standard input.
    pub(super) fn program(&self) -> anyhow::Result<Vec<u8>> {
        match &self.program {
            Some(hex) => bytes(hex),
            None => {
                let mut hex = String::new();
                io::stdin().take(INPUT_MAX).read_to_string(&mut hex).context("cannot read standard input")?;
                bytes(&hex)
            }
        }
    }
}

/// Bytes in hex, with or without spaces.
fn bytes(hex: &str) -> anyhow::Result<Vec<u8>> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        bail!("{} hex digits are no whole bytes", digits.len());
    }
    let byte = |pair: &[u8; 2]| {
        let text = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(text, 16).ok()
    };
    pairs
        .iter()
        .map(|pair| {
            byte(pair).with_context(|| format!("'{}' is no byte in hex", String::from_utf8_lossy(pair)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> anyhow::Result<Options> {
        Options::parse(&args.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn as_the_runner_passes_them() {
        let options = parse(&["aa  bb  ", "--engine interpreter --debug"]).unwrap();
        assert_eq!((options.memory, options.engine), (vec![0xaa, 0xbb], Engine::Interpreter));
        let options = parse(&["", ""]).unwrap();
        assert_eq!((options.memory, options.engine), (vec![], Engine::Jit));
        let options = parse(&["--program", "95 00", "0102"]).unwrap();
        assert_eq!((options.program().unwrap(), options.memory), (vec![0x95, 0], vec![1, 2]));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for args in [&["1"][..], &["zz"], &["00", "00"], &["--fast"], &["--engine"], &["--engine", "fast"]] {
            assert!(parse(args).is_err(), "{args:?}");
        }
    }
}

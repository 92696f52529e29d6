//! The installed bpftool, a judge beside the kernel: it loads objects as libbpf does and shows what the kernel holds.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, bail};
use serde_json::Value;

use crate::Kernel;

/// Where bpffs usually is.
const BPFFS: &str = "/sys/fs/bpf";

/// What bpftool can be asked for here; the reason why not, for a test that is skipped.
pub fn probe() -> Result<(), String> {
    Kernel::probe().map_err(|reason| reason.to_string())?;
    run(&["version"]).map(drop).map_err(|reason| format!("bpftool: {reason}"))
}

/// Runs bpftool; what it printed.
pub fn run(args: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("bpftool").args(args).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let said = String::from_utf8_lossy(&output.stdout);
    let telling = text.lines().chain(said.lines());
    let telling = telling.into_iter().find(|line| line.starts_with("libbpf:") || line.contains("rror"));
    bail!("{}", telling.unwrap_or("failed"))
}

/// Runs `bpftool -j`; what it printed.
pub fn json(args: &[&str]) -> anyhow::Result<Value> {
    let text = run(&[&["-j"], args].concat())?;
    serde_json::from_str(&text).with_context(|| format!("bpftool -j {}", args.join(" ")))
}

/// An object in the kernel, as `bpftool prog loadall` puts it there: programs and maps pinned in a folder of our own,
/// which goes with this.
pub struct Pinned {
    folder: PathBuf,
    object: String,
}

impl Pinned {
    /// Loads an object.
    pub fn load(object: &Path) -> anyhow::Result<Pinned> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(BPFFS).join(format!("bpfreplay-test-{}-{number}", std::process::id()));
        let name = object.file_name().unwrap_or_default().to_string_lossy();
        let pinned = Pinned { folder, object: name.split('.').next().unwrap_or_default().to_owned() };
        let (programs, maps) = (pinned.programs(), pinned.folder.join("maps"));
        std::fs::create_dir(&pinned.folder).with_context(|| format!("{}", pinned.folder.display()))?;
        let [object, programs, maps] = [object, &programs, &maps].map(|path| path.to_string_lossy());
        run(&["prog", "loadall", &object, &programs, "pinmaps", &maps])?;
        Ok(pinned)
    }

    /// The folder of programs, by name.
    pub fn programs(&self) -> PathBuf {
        self.folder.join("programs")
    }

    /// The pin of a map, given the name it has in the object. libbpf names the maps of the three plain data sections
    /// after the object too, and no name of a data section is longer than the kernel's names.
    pub fn map(&self, name: &str) -> PathBuf {
        let file = match name {
            ".data" | ".bss" | ".rodata" => {
                let object: String = self.object.chars().take(8).collect();
                format!("{object}{name}")
            }
            _ if name.starts_with('.') => name.chars().take(15).collect(),
            _ => name.to_owned(),
        };
        self.folder.join("maps").join(file.replace('.', "_"))
    }

    /// `bpftool -j map dump`.
    pub fn dump(&self, map: &str) -> anyhow::Result<Value> {
        json(&["map", "dump", "pinned", &self.map(map).to_string_lossy()])
    }

    /// `bpftool map update`; of a per-CPU map every CPU gets the value.
    pub fn update(&self, map: &str, key: &[u8], value: &[u8]) -> anyhow::Result<()> {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>();
        let (pin, key, value) = (self.map(map), hex(key), hex(value));
        let pin = pin.to_string_lossy();
        let mut args = vec!["map", "update", "pinned", &*pin, "key", "hex"];
        args.extend(key.iter().map(String::as_str));
        args.extend(["value", "hex"]);
        args.extend(value.iter().map(String::as_str));
        run(&args).map(drop).with_context(|| format!("map {map}"))
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        for folder in [self.programs(), self.folder.join("maps")] {
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                let _ = std::fs::remove_file(entry.path());
            }
            let _ = std::fs::remove_dir(folder);
        }
        let _ = std::fs::remove_dir(&self.folder);
    }
}

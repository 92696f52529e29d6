//! A live veth pair, to see what the kernel's tc does with a frame.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::net::{self, FrameSocket};
use super::sys::{Fd, Kernel};

/// Where programs are pinned for tc to find them.
const BPFFS: &str = "/sys/fs/bpf";

/// A veth pair in a network namespace that nobody else is in: what is sent at one end is received at the other.
///
/// It exists for the run of a closure, on a thread of its own; thread, namespace, devices and filters end together.
#[derive(Debug)]
pub struct LiveLink {
    kernel: Kernel,
    socket: FrameSocket,
    sender: u32,
    receiver: u32,
}

/// Why there can be no live link here. Suites print it and skip.
#[derive(Debug)]
pub struct NoLink(String);

impl fmt::Display for NoLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One of the hooks of the pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LiveHook {
    /// Of the device that receives.
    Ingress,
    /// Of the device that sends.
    Egress,
}

impl LiveHook {
    /// The device's name.
    #[must_use]
    pub const fn device(self) -> &'static str {
        match self {
            LiveHook::Ingress => RECEIVER,
            LiveHook::Egress => SENDER,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            LiveHook::Ingress => "ingress",
            LiveHook::Egress => "egress",
        }
    }
}

const SENDER: &str = "bpfr0";
const RECEIVER: &str = "bpfr1";

impl LiveLink {
    /// Address of the device that sends.
    pub const SENDER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x0a];
    /// Address of the device that receives.
    pub const RECEIVER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x0b];
    /// The longest frame it takes: an MTU of 1500.
    pub const FRAME_MAX: usize = 1514;

    /// Runs `body` with a link.
    ///
    /// # Errors
    ///
    /// Without the right to make namespaces, without `ip`, `tc` or veth, or without a bpf filesystem.
    ///
    /// # Panics
    ///
    /// When `body` does.
    pub fn with<T: Send>(kernel: Kernel, body: impl FnOnce(&LiveLink) -> T + Send) -> Result<T, NoLink> {
        let run = || LiveLink::new(kernel).map(|link| body(&link));
        let ended = std::thread::scope(|scope| scope.spawn(run).join());
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    fn new(kernel: Kernel) -> Result<LiveLink, NoLink> {
        let told = |what: &str, error: io::Error| NoLink(format!("{what}: {error}"));
        net::enter_own_namespace().map_err(|error| told("a network namespace", error))?;
        // Neighbour discovery would mix frames of its own in; a kernel without IPv6 has no such file.
        let _ = std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
        let mac = |mac: [u8; 6]| mac.map(|byte| format!("{byte:02x}")).join(":");
        let (sender, receiver) = (mac(LiveLink::SENDER_MAC), mac(LiveLink::RECEIVER_MAC));
        command(
            "ip",
            &["link", "add", SENDER, "address", &sender, "type", "veth", "peer", "name", RECEIVER],
        )?;
        command("ip", &["link", "set", RECEIVER, "address", &receiver])?;
        for device in [SENDER, RECEIVER] {
            command("ip", &["link", "set", device, "addrgenmode", "none"])?;
            command("ip", &["link", "set", device, "up"])?;
            command("tc", &["qdisc", "add", "dev", device, "clsact"])?;
        }
        if !PathBuf::from(BPFFS).is_dir() {
            return Err(NoLink(format!("{BPFFS} is absent")));
        }
        let ifindex = |name| net::ifindex(name).map_err(|error| told(name, error));
        Ok(LiveLink {
            kernel,
            socket: FrameSocket::open().map_err(|error| told("a packet socket", error))?,
            sender: ifindex(SENDER)?,
            receiver: ifindex(RECEIVER)?,
        })
    }

    /// The number of the device with this hook.
    #[must_use]
    pub fn ifindex(&self, hook: LiveHook) -> u32 {
        match hook {
            LiveHook::Ingress => self.receiver,
            LiveHook::Egress => self.sender,
        }
    }

    /// `tc filter add … pref PREF bpf OPTIONS[0] pinned PROGRAM OPTIONS[1]`: words before the program (`da`) and
    /// after it (`action reclassify`).
    ///
    /// # Errors
    ///
    /// What `tc` prints, or that the program cannot be pinned.
    pub fn attach(
        &self,
        hook: LiveHook,
        pref: u16,
        program: &Fd,
        options: [&[&str]; 2],
    ) -> Result<(), NoLink> {
        static PINNED: AtomicU32 = AtomicU32::new(0);
        let number = PINNED.fetch_add(1, Ordering::Relaxed);
        let path = format!("{BPFFS}/bpfreplay-test-{}-{number}", std::process::id());
        self.kernel.pin(program, &path).map_err(|error| NoLink(format!("{path}: {error}")))?;
        let pref = pref.to_string();
        let mut words =
            vec!["filter", "add", "dev", hook.device(), hook.name(), "pref", &pref, "protocol", "all", "bpf"];
        words.extend(options[0]);
        words.extend(["object-pinned", &path]);
        words.extend(options[1]);
        let added = command("tc", &words);
        // The filter holds the program from here on.
        let _ = std::fs::remove_file(&path);
        added.map(drop)
    }

    /// Sends a frame, from its Ethernet header on.
    ///
    /// # Errors
    ///
    /// sendto(2)'s; ENOBUFS when the egress hook drops it.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        self.socket.send(self.sender, frame)
    }

    /// Frames the hook's filters dropped.
    ///
    /// # Errors
    ///
    /// When `tc` says nothing about it.
    pub fn dropped(&self, hook: LiveHook) -> Result<u64, NoLink> {
        let text = command("tc", &["-j", "-s", "qdisc", "show", "dev", hook.device()])?;
        let qdiscs: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| NoLink(format!("tc -j: {error}")))?;
        let mut all = qdiscs.as_array().into_iter().flatten();
        let clsact = all.find(|qdisc| qdisc["kind"] == "clsact");
        let drops = clsact.and_then(|qdisc| qdisc["drops"].as_u64());
        drops.ok_or_else(|| NoLink(format!("tc tells no drops of clsact: {text}")))
    }
}

fn command(program: &str, words: &[&str]) -> Result<String, NoLink> {
    let output =
        Command::new(program).args(words).output().map_err(|error| NoLink(format!("{program}: {error}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(NoLink(format!("{program} {}: {}", words.join(" "), said.trim())))
}

//! An independent reader agrees: tshark gets through every capture that is not broken on purpose, sees
//! as many frames as we count, and finds the checksums of well-formed traffic right.

#[path = "../../tests/src/skip.rs"]
#[allow(unreachable_pub, reason = "the file is also a public module, of the tests crate")]
mod skip;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use bpfreplay_pcaps::{CAPTURES, directory, inspect};

fn tshark(file: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("tshark");
    command.arg("-n").arg("-r").arg(file).args(arguments).output().unwrap()
}

fn tshark_is_there() -> bool {
    let found = Command::new("tshark").arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        skip::skipped("captures as tshark reads them", &"it is not installed");
    }
    found
}

#[test]
fn reads_every_capture_and_counts_the_same_frames() {
    if !tshark_is_there() {
        return;
    }
    for capture in CAPTURES.iter().filter(|capture| capture.is_readable()) {
        let output = tshark(&capture.path(), &["-T", "fields", "-e", "frame.protocols"]);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {complaint}", capture.file);
        // tshark shows a custom block as a record of its own, which is "data" and no link layer.
        let seen =
            String::from_utf8_lossy(&output.stdout).lines().filter(|line| *line != "data").count() as u64;
        let counted = inspect(&fs::read(capture.path()).unwrap()).unwrap().frames;
        assert_eq!(seen, counted, "{}", capture.file);
    }
}

#[test]
fn finds_no_wrong_checksum_in_whole_packets() {
    if !tshark_is_there() {
        return;
    }
    let filter = "ip.checksum.status == 0 or tcp.checksum.status == 0 or udp.checksum.status == 0 \
                  or icmp.checksum.status == 0 or icmpv6.checksum.status == 0 or sctp.checksum.status == 0";
    let checks =
        ["ip.check_checksum", "tcp.check_checksum", "udp.check_checksum"].map(|name| format!("{name}:TRUE"));
    let mut arguments = vec!["-o", "sctp.checksum:TRUE", "-Y", filter, "-T", "fields", "-e", "frame.number"];
    for check in &checks {
        arguments.extend(["-o", check]);
    }
    for file in [
        "generated/tcp_lossy_session.pcap",
        "generated/vlan.pcap",
        "generated/mpls.pcap",
        "generated/gre.pcap",
        "generated/tunnels.pcap",
        "generated/ipv6_neighbours.pcap",
        "generated/link_sll2.pcap",
        "generated/format_be.pcapng",
        "recorded/tcp_loss.pcap",
        "recorded/dns.pcap",
        "recorded/icmp.pcap",
        "recorded/ipv6.pcap",
        "recorded/vlan.pcap",
        "recorded/vxlan.pcap",
        "recorded/cooked.pcap",
    ] {
        let output = tshark(&directory().join(file), &arguments);
        assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
        let wrong = String::from_utf8_lossy(&output.stdout).trim().replace('\n', " ");
        assert!(wrong.is_empty(), "{file}: wrong checksums in frames {wrong}");
    }
}

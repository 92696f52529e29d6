//! The embedded objects.

/// A BPF object as clang made it, and how to start it.
#[derive(Clone, Copy, Debug)]
pub struct Object {
    /// File name without `.bpf.o`; unique among [`ALL`].
    pub name: &'static str,
    /// The ELF file, aligned to 8 bytes.
    pub bytes: &'static [u8],
    /// The program that a frame (or event) enters by, by its C symbol.
    pub entry: &'static str,
    /// Every program in the object, the entry among them.
    pub programs: &'static [&'static str],
    /// One line on what it is for.
    pub about: &'static str,
}

/// Reading ELF in place wants its headers aligned; `include_bytes!` does not.
#[repr(C, align(8))]
struct Aligned<B: ?Sized>(B);

macro_rules! object {
    ($name:literal, $path:literal, $entry:literal, [$($program:literal),* $(,)?], $about:literal) => {
        Object {
            name: $name,
            bytes: {
                static ALIGNED: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!("../bpf/", $path)));
                &ALIGNED.0
            },
            entry: $entry,
            programs: &[$($program),*],
            about: $about,
        }
    };
    ($name:literal, $about:literal) => {
        object!($name, [$name], $about)
    };
    ($name:literal, [$($program:literal),*], $about:literal) => {
        Object {
            name: $name,
            bytes: {
                static ALIGNED: &Aligned<[u8]> =
                    &Aligned(*include_bytes!(concat!("../bpf/oracle/", $name, ".bpf.o")));
                &ALIGNED.0
            },
            entry: $name,
            programs: &[$($program),*],
            about: $about,
        }
    };
}

/// The parsers, reading the packet by direct access.
pub const PARSER_DPA: Object = object!(
    "parser_dpa",
    "parser_dpa.bpf.o",
    "packet_parser",
    [
        "packet_parser",
        "parse_inner",
        "parse_tcp",
        "parse_udp",
        "parse_icmp",
        "parse_icmpv6",
        "parse_sctp",
        "parse_gre",
        "parse_ipip",
        "parse_ip6",
        "parse_vxlan",
        "parse_dns",
    ],
    "the parsers, by direct packet access"
);

/// The parsers, reading the packet by LD_ABS and LD_IND.
pub const PARSER_LDABS: Object = object!(
    "parser_ldabs",
    "parser_ldabs.bpf.o",
    "packet_parser",
    [
        "packet_parser",
        "parse_inner",
        "parse_tcp",
        "parse_udp",
        "parse_icmp",
        "parse_icmpv6",
        "parse_sctp",
        "parse_gre",
        "parse_ipip",
        "parse_ip6",
        "parse_vxlan",
        "parse_dns",
    ],
    "the parsers, by LD_ABS and LD_IND"
);

/// Moves the packet inside a tunnel to the front and returns `TC_ACT_RECLASSIFY`.
pub const STRIP_TUNNEL: Object = object!(
    "strip_tunnel",
    "strip_tunnel.bpf.o",
    "strip_tunnel",
    ["strip_tunnel"],
    "strips one tunnel header per pass and reclassifies"
);

/// Dispatches recorded system calls over a read-only context (kprobe type).
pub const SYSCALL_DISPATCH: Object = object!(
    "syscall_dispatch",
    "syscall_dispatch.bpf.o",
    "syscall_entry",
    ["syscall_entry", "sys_read_event", "sys_write_event"],
    "dispatches system calls by number"
);

/// Programs whose only purpose is to run on every engine and on the kernel.
pub const ORACLE: &[Object] = &[
    object!("alu", "arithmetic of cpu v3 on operands out of the packet"),
    object!("alu_v4", "signed division, sign extension, byte swaps, long jumps"),
    object!("atomics", "atomic operations on map values and the stack"),
    object!("checksum_loop", "a bounded loop over the whole packet"),
    object!("csum_diff", "csum_diff fed into csum_replace"),
    object!("ctx_fields", "context fields: narrow loads, truncating stores"),
    object!(
        "dynptrs",
        ["dynptrs", "dynptrs_xdp", "dynptrs_read_only"],
        "dynptrs over packets, frames, map values and records"
    ),
    object!("environment", "clocks, random numbers, CPU, redirects, trace_printk"),
    object!("global_functions", "global functions, verified on their own"),
    object!("globals", ".data, .bss and .rodata"),
    object!("ld_abs", "LD_ABS and LD_IND at the edges, and failing"),
    object!("load_bytes", "skb_load_bytes and its relative form"),
    object!("map_array", "array and per-CPU array, every flag"),
    object!("map_hash", "hash and per-CPU hash that fill up"),
    object!("map_kinds", "LRU, LPM tries, queues, stacks, bloom filters, maps of maps"),
    object!("map_types", "maps of every key and value type, as bpftool dumps them"),
    object!("nat_rewrite", "a NAT by skb_store_bytes and csum_replace"),
    object!(
        "other_hooks",
        ["other_hooks", "cgroup_ingress", "lwt_input", "lwt_transmit"],
        "packets seen from the network header on: a socket filter, cgroup_skb, lwt"
    ),
    object!("packet_store", "stores into the packet by direct access"),
    object!("records", "ring and perf buffers: positions, sizes, what does not fit"),
    object!("skb_hash", "set_hash, set_hash_invalid, pull_data"),
    object!(
        "skb_room",
        ["skb_room", "skb_room_limits"],
        "packets that grow, shrink and change their headers"
    ),
    object!("spin_lock", "values changed under their lock"),
    object!(
        "strings",
        "numbers, strings, formats, memory at an address; devices and tunnels that are not there"
    ),
    object!("subprograms", "static functions with pointers to stack and packet"),
    object!("tail_call_fail", ["tail_call_fail", "again", "leaf"], "tail calls that fail, and the limit"),
    object!("tail_call_hierarchy", ["tail_call_hierarchy", "leaf"], "tail calls from functions"),
    object!("xdp_adjust", ["xdp_adjust", "xdp_limits"], "XDP frames whose ends move"),
];

/// Every embedded object.
pub const ALL: &[&[Object]] = &[&[PARSER_DPA, PARSER_LDABS, STRIP_TUNNEL, SYSCALL_DISPATCH], ORACLE];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn embedded() -> BTreeSet<&'static str> {
        ALL.iter().copied().flatten().map(|object| object.name).collect()
    }

    #[test]
    fn every_source_has_its_object_here() {
        let bpf = Path::new(env!("CARGO_MANIFEST_DIR")).join("bpf");
        let mut sources = BTreeSet::new();
        for folder in [bpf.clone(), bpf.join("oracle")] {
            for entry in std::fs::read_dir(folder).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                if let Some(stem) = name.strip_suffix(".bpf.c") {
                    sources.insert(stem.to_owned());
                }
            }
        }
        assert_eq!(sources, embedded().iter().map(|name| (*name).to_owned()).collect());
    }

    #[test]
    fn names_are_unique_and_entries_exist() {
        let objects: Vec<Object> = ALL.iter().copied().flatten().copied().collect();
        assert_eq!(objects.len(), embedded().len());
        for object in objects {
            assert!(object.programs.contains(&object.entry), "{}", object.name);
            assert_eq!(object.bytes.as_ptr().align_offset(8), 0, "{}", object.name);
            assert_eq!(object.bytes[..4], *b"\x7fELF", "{}", object.name);
            assert_eq!(object.bytes[18..20], 247u16.to_le_bytes(), "{}: EM_BPF", object.name);
        }
    }

    #[test]
    fn programs_are_symbols_of_their_object() {
        for object in ALL.iter().copied().flatten() {
            for program in object.programs {
                let symbol = [b"\0", program.as_bytes(), b"\0"].concat();
                assert!(
                    object.bytes.windows(symbol.len()).any(|bytes| bytes == symbol),
                    "{}: {program}",
                    object.name
                );
            }
        }
    }

    #[test]
    fn objects_hold_no_path_of_the_machine_that_built_them() {
        let home = env!("CARGO_MANIFEST_DIR").as_bytes();
        for object in ALL.iter().copied().flatten() {
            assert!(!object.bytes.windows(home.len()).any(|bytes| bytes == home), "{}", object.name);
        }
    }
}

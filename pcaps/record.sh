#!/usr/bin/env bash
# Records the captures of recorded/ again: real Linux stacks talking in network namespaces made for it.
#
#   record.sh [SECTION...]        sections: the record_* functions below; all of them by default
#
#      namespace A                  namespace M (tcp_loss only)              namespace B
#   a0 192.0.2.1/24        ---- veth ----  m0 | relay.py | m1  ---- veth ----  b0 192.0.2.2/24
#      2001:db8::1/64                                                           2001:db8::2/64
#
# Needs root, iproute2 with libbpf, tcpdump, dumpcap, ethtool, ping, curl, python3, dnsmasq, dig, clang.
# Every wait is bounded, and only what the script made is removed. Times, ports and sequence numbers
# differ from run to run: what is committed is one run, listed in README.md with its sum.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=$here/recorded
tag=bpfreplay-$$
A=$tag-a B=$tag-b M=$tag-m
work=$(mktemp -d)
pids=()

in_a() { ip netns exec "$A" "$@"; }
in_b() { ip netns exec "$B" "$@"; }
quietly() { "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; return 1; }; }

main() {
    trap clean_up EXIT
    mkdir -p "$out"
    for section in "${@:-tcp_loss tcp_offload http dns icmp ipv6 vlan vxlan cooked}"; do
        for name in $section; do
            printf 'recording %s\n' "$name"
            "record_$name"
            take_down
        done
    done
}

# --- sections ---------------------------------------------------------------------------------------

# 300 kB of TCP through a relay that loses 3 % of the frames and holds 3 % back behind later ones.
record_tcp_loss() {
    build_relayed
    start_capture tcp_loss.pcap --time-stamp-precision=nano
    run_in "$M" python3 "$here/record/relay.py" m0 m1 --loss 3 --reorder 3 --seed 1 --seconds 30
    transfer 300000
    stop_capture
}

# The same without loss and with segmentation and checksum offload left on: the capture sees frames
# larger than the link carries, and checksums nobody has filled in yet.
record_tcp_offload() {
    build
    offload on
    start_capture tcp_offload.pcap
    transfer 400000
    stop_capture
}

# Pages of several sizes over IPv4 and IPv6, with a HEAD, a miss and a reused connection; as pcapng
# from two interfaces.
record_http() {
    build
    start_dumpcap http.pcapng a0 lo
    serve_pages "$B" 192.0.2.2
    serve_pages "$B" 2001:db8::2
    in_a curl -sS -o /dev/null http://192.0.2.2:8000/small http://192.0.2.2:8000/large -o /dev/null
    in_a curl -sS -I -o /dev/null http://192.0.2.2:8000/small
    in_a curl -sS -o /dev/null http://192.0.2.2:8000/missing
    in_a curl -sS -o /dev/null 'http://[2001:db8::2]:8000/large'
    serve_pages "$A" 127.0.0.1
    in_a curl -sS -o /dev/null http://127.0.0.1:8000/small
    stop_capture
    python3 "$here/record/anonymise.py" "$out/http.pcapng"
}

# dnsmasq asked by dig: several types, misses, a long answer, EDNS and TCP, over IPv4 and IPv6.
record_dns() {
    build
    start_capture dns.pcap
    run_in "$B" dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --no-daemon --user=root \
        --pid-file="$work/dnsmasq.pid" --local=/example.com/ --local=/example.net/ \
        --host-record=www.example.com,203.0.113.80,2001:db8:80::1 --cname=web.example.com,www.example.com \
        --mx-host=example.com,mail.example.com,10 --host-record=mail.example.com,203.0.113.25 \
        --txt-record=example.com,"$(printf 'long text %.0s' {1..20})" --srv-host=_sip._udp.example.com,www.example.com,5060
    settle
    for server in 192.0.2.2 2001:db8::2; do
        for question in 'www.example.com A' 'www.example.com AAAA' 'web.example.com A' 'example.com MX' \
            'example.com TXT' '_sip._udp.example.com SRV' 'nobody.example.com A' 'elsewhere.example.org A'; do
            # shellcheck disable=SC2086 # name and type are two words
            quietly in_a dig +tries=1 +time=2 "@$server" $question
        done
        quietly in_a dig +tries=1 +time=2 +tcp "@$server" example.com TXT
        quietly in_a dig +tries=1 +time=2 +noedns "@$server" www.example.com A
        quietly in_a dig +tries=1 +time=2 +dnssec +cookie "@$server" www.example.com A
    done
    stop_capture
}

# Echoes small, large and fragmented, with record-route and timestamp options; ports nobody listens on.
record_icmp() {
    build
    start_capture icmp.pcap
    quietly in_a ping -q -c 3 -i 0.05 192.0.2.2
    quietly in_a ping -q -c 2 -i 0.05 -s 1472 -M do 192.0.2.2
    quietly in_a ping -q -c 2 -i 0.05 -s 4000 192.0.2.2
    quietly in_a ping -q -c 1 -s 20000 192.0.2.2
    quietly in_a ping -q -c 2 -i 0.05 -R 192.0.2.2
    quietly in_a ping -q -c 2 -i 0.05 -T tsandaddr 192.0.2.2
    in_a ping -q -c 1 -W 1 192.0.2.99 >"$work/log" || true # nobody: ARP without an answer
    in_a python3 "$here/record/datagrams.py" 192.0.2.2
    stop_capture
}

# Neighbour discovery from the start, echoes, fragments, extension headers, refused ports, TCP.
record_ipv6() {
    build
    in_a ip -6 neigh flush dev a0
    start_capture ipv6.pcap
    in_a ip link set a0 down
    in_a ip link set a0 up
    in_a ip -6 address replace 2001:db8::1/64 dev a0 nodad
    settle
    quietly in_a ping -6 -q -c 3 -i 0.05 2001:db8::2
    quietly in_a ping -6 -q -c 2 -i 0.05 -s 4000 2001:db8::2
    in_a ping -6 -q -c 1 -W 1 2001:db8::99 >"$work/log" || true
    quietly in_a ping -6 -q -c 1 -W 1 ff02::1%a0
    in_a python3 "$here/record/datagrams.py" 2001:db8::2
    serve_pages "$B" 2001:db8::2
    in_a curl -sS -o /dev/null 'http://[2001:db8::2]:8000/small'
    stop_capture
}

# A tc program pushes the tags at egress and pops them at ingress (this needs no 8021q module):
# first 802.1Q VLAN 100, then 802.1ad VLAN 200 around it. The tap sees the outer tag as metadata;
# tcpdump puts it back into the bytes.
record_vlan() {
    build
    clang=$(command -v clang || command -v clang-19)
    "$clang" -O2 -g -target bpf "-I/usr/include/$(uname -m)-linux-gnu" -c "$here/record/vlan.bpf.c" -o "$work/vlan.o"
    tag_with push_customer pop_customer
    start_capture vlan.pcap
    serve_pages "$B" 192.0.2.2
    quietly in_a ping -q -c 3 -i 0.05 192.0.2.2
    in_a curl -sS -o /dev/null http://192.0.2.2:8000/large
    tag_with push_provider pop_provider
    quietly in_a ping -q -c 3 -i 0.05 192.0.2.2
    quietly in_a ping -6 -q -c 3 -i 0.05 2001:db8::2
    in_a curl -sS -o /dev/null http://192.0.2.2:8000/small
    stop_capture
}

# An overlay of VNI 42: ARP, neighbour discovery, echoes and a page inside VXLAN.
record_vxlan() {
    build
    overlay "$A" a0 192.0.2.1 192.0.2.2 198.51.100.1/24 2001:db8:42::1/64 00:00:5e:00:53:11
    overlay "$B" b0 192.0.2.2 192.0.2.1 198.51.100.2/24 2001:db8:42::2/64 00:00:5e:00:53:12
    start_capture vxlan.pcap
    serve_pages "$B" 198.51.100.2
    quietly in_a ping -q -c 3 -i 0.05 198.51.100.2
    quietly in_a ping -6 -q -c 3 -i 0.05 2001:db8:42::2
    quietly in_a ping -q -c 1 -s 3000 198.51.100.2
    in_a curl -sS -o /dev/null http://198.51.100.2:8000/large
    stop_capture
}

# All interfaces of a host at once: Linux cooked v2.
record_cooked() {
    build
    start_capture cooked.pcap --interface any --linktype LINUX_SLL2
    serve_pages "$B" 192.0.2.2
    quietly in_a ping -q -c 2 -i 0.05 192.0.2.2
    quietly in_a ping -q -c 2 -i 0.05 127.0.0.1
    quietly in_a ping -6 -q -c 2 -i 0.05 2001:db8::2
    in_a curl -sS -o /dev/null http://192.0.2.2:8000/small
    stop_capture
}

# --- topology ---------------------------------------------------------------------------------------

build() {
    ip netns add "$A"
    ip netns add "$B"
    ip -n "$A" link add a0 address 00:00:5e:00:53:01 type veth peer name b0 address 00:00:5e:00:53:02 netns "$B"
    bring_up
}

build_relayed() {
    for namespace in "$A" "$B" "$M"; do ip netns add "$namespace"; done
    ip -n "$A" link add a0 address 00:00:5e:00:53:01 type veth peer name m0 netns "$M"
    ip -n "$B" link add b0 address 00:00:5e:00:53:02 type veth peer name m1 netns "$M"
    for link in m0 m1; do
        ip netns exec "$M" sysctl -qw "net.ipv6.conf.$link.disable_ipv6=1"
        ip -n "$M" link set "$link" up
    done
    bring_up
}

bring_up() {
    ip -n "$A" link set lo up
    ip -n "$B" link set lo up
    ip -n "$A" link set a0 up
    ip -n "$B" link set b0 up
    ip -n "$A" address add 192.0.2.1/24 dev a0
    ip -n "$B" address add 192.0.2.2/24 dev b0
    ip -n "$A" address add 2001:db8::1/64 dev a0 nodad
    ip -n "$B" address add 2001:db8::2/64 dev b0 nodad
    offload off
    settle
}

# Without offload a frame in the capture is a frame on the link: no longer than it, checksums filled.
offload() {
    quietly in_a ethtool -K a0 tx "$1" rx "$1" sg "$1" tso "$1" gso "$1" gro "$1"
    quietly in_b ethtool -K b0 tx "$1" rx "$1" sg "$1" tso "$1" gso "$1" gro "$1"
}

overlay() { # namespace, link, local, remote, IPv4, IPv6, MAC
    ip -n "$1" link add vx0 address "$7" type vxlan id 42 dstport 4789 dev "$2" local "$3" remote "$4"
    ip -n "$1" address add "$5" dev vx0
    ip -n "$1" address add "$6" dev vx0 nodad
    ip -n "$1" link set vx0 mtu 1450 up
    quietly ip netns exec "$1" ethtool -K vx0 tx off rx off sg off tso off gso off gro off
}

tag_with() { # egress program, ingress program
    for end in "$A a0" "$B b0"; do
        # shellcheck disable=SC2086 # namespace and link are two words
        set -- "$1" "$2" $end
        tc -n "$3" qdisc replace dev "$4" clsact
        tc -n "$3" filter del dev "$4" egress
        tc -n "$3" filter del dev "$4" ingress
        tc -n "$3" filter add dev "$4" egress bpf direct-action object-file "$work/vlan.o" section "tc/$1"
        tc -n "$3" filter add dev "$4" ingress bpf direct-action object-file "$work/vlan.o" section "tc/$2"
    done
}

# --- processes --------------------------------------------------------------------------------------

run_in() { # namespace, command...: in the background, until take_down
    ip netns exec "$@" >>"$work/background" 2>&1 &
    pids+=($!)
}

start_capture() { # file, tcpdump options...
    local file=$1
    shift
    [[ " $* " == *" --interface "* ]] || set -- --interface a0 "$@"
    start_recorder tcpdump -n --snapshot-length=262144 --immediate-mode -U -Z root -w "$out/$file" "$@"
}

start_dumpcap() { # file, interfaces...
    local file=$1
    shift
    # shellcheck disable=SC2046 # one option a link
    start_recorder dumpcap -q -w "$out/$file" $(printf -- '-i %s ' "$@")
}

start_recorder() {
    # shellcheck disable=SC2024
    ip netns exec "$A" timeout --signal=INT 60 "$@" >"$work/recorder" 2>&1 &
    recorder=$!
    for _ in {1..50}; do
        grep -qsiE 'listening on|File: ' "$work/recorder" && { settle; return; }
        sleep 0.1
    done
    cat "$work/recorder" >&2
    return 1
}

stop_capture() {
    sleep 1.2 # the last acknowledgements; dumpcap reads in batches
    kill -INT "$recorder"
    wait "$recorder" || true
}

serve_pages() { # namespace, address
    mkdir -p "$work/pages"
    printf 'a small page\n' >"$work/pages/small"
    head -c 40000 /dev/zero | tr '\0' 'x' >"$work/pages/large"
    run_in "$1" python3 -m http.server 8000 --bind "$2" --directory "$work/pages"
    for _ in {1..50}; do
        ip netns exec "$1" ss -Hltn | grep -qF "$2" && return
        sleep 0.1
    done
    return 1
}

transfer() { # bytes
    run_in "$B" python3 "$here/record/sink.py" 192.0.2.2 5001
    settle
    in_a timeout 30 python3 "$here/record/source.py" 192.0.2.2 5001 "$1"
}

settle() { sleep 0.5; }

# --- cleaning up ------------------------------------------------------------------------------------

take_down() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    pids=()
    for namespace in "$A" "$B" "$M"; do
        [[ -e /run/netns/$namespace ]] && ip netns delete "$namespace"
    done
    return 0
}

clean_up() {
    take_down
    rm -rf "$work"
}

main "$@"

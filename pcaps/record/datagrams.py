"""Datagrams to a port nobody listens on: plain, empty, fragmented, over IPv6 with extension headers."""

import socket
import sys
import time

PORT = 9
IPV6_HOPOPTS, IPV6_DSTOPTS, IPV6_TCLASS = 54, 59, 67
PADDING = bytes([0, 0, 1, 4, 0, 0, 0, 0])  # next header (the kernel fills it in), length 0, PadN

address = sys.argv[1]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
link = socket.socket(family, socket.SOCK_DGRAM)


def send(payload):
    link.sendto(payload, (address, PORT))
    time.sleep(0.05)


for payload in (b"", b"plain", b"x" * 1400, b"y" * 5000):
    send(payload)
if family == socket.AF_INET6:
    link.setsockopt(socket.IPPROTO_IPV6, IPV6_HOPOPTS, PADDING)
    send(b"behind hop-by-hop options")
    link.setsockopt(socket.IPPROTO_IPV6, IPV6_DSTOPTS, PADDING)
    send(b"behind hop-by-hop and destination options")
    send(b"z" * 3000)
    link.setsockopt(socket.IPPROTO_IPV6, IPV6_TCLASS, 0xB8)
    send(b"of another traffic class")
else:
    link.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, bytes([148, 4, 0, 0]))
    send(b"with router alert")
    send(b"z" * 3000)
    link.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0xB8)
    send(b"of another type of service")

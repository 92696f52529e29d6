"""Removes from a pcapng what names the machine that recorded it: the options of the section header,
and the operating system of each interface. Packets and statistics stay as they are."""

import struct
import sys

SECTION_HEADER, INTERFACE_DESCRIPTION = 0x0A0D0D0A, 1
LITTLE_ENDIAN_MAGIC = 0x1A2B3C4D
IF_OS = 12


def block(kind, body):
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def without_option(options, unwanted):
    kept, at = b"", 0
    while at < len(options):
        code, length = struct.unpack_from("<HH", options, at)
        end = at + 4 + (length + 3) // 4 * 4
        if code != unwanted:
            kept += options[at:end]
        at = end
    return kept


path = sys.argv[1]
with open(path, "rb") as file:
    data = file.read()
assert struct.unpack_from("<I", data, 8)[0] == LITTLE_ENDIAN_MAGIC, "a little-endian pcapng"

cleaned, at = b"", 0
while at < len(data):
    kind, length = struct.unpack_from("<II", data, at)
    body = data[at + 8 : at + length - 4]
    if kind == SECTION_HEADER:
        body = body[:16]
    elif kind == INTERFACE_DESCRIPTION:
        body = body[:8] + without_option(body[8:], IF_OS)
    cleaned += block(kind, body)
    at += length
with open(path, "wb") as file:
    file.write(cleaned)

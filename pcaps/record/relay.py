"""Passes frames between two links, loses some and lets others be overtaken."""

import argparse
import random
import select
import socket
import time

ETH_P_ALL = 0x0003
PACKET_OUTGOING = 4
HOLD_SECONDS = 0.02
HOLD_FRAMES = 3


def open_link(name):
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    link.bind((name, 0))
    return link


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("links", nargs=2)
    arguments.add_argument("--loss", type=int, help="percent")
    arguments.add_argument("--reorder", type=int, help="percent")
    arguments.add_argument("--seed", type=int)
    arguments.add_argument("--seconds", type=float)
    options = arguments.parse_args()

    chance = random.Random(options.seed)
    links = [open_link(name) for name in options.links]
    other = {links[0]: links[1], links[1]: links[0]}
    held = []  # [deadline, frames still to pass, link, frame]
    end = time.monotonic() + options.seconds
    while (now := time.monotonic()) < end:
        readable, _, _ = select.select(links, [], [], HOLD_SECONDS / 4 if held else end - now)
        for link in readable:
            frame, address = link.recvfrom(65536)
            if address[2] == PACKET_OUTGOING:
                continue
            draw = chance.randrange(100)
            if draw < options.loss:
                continue
            if draw < options.loss + options.reorder:
                held.append([now + HOLD_SECONDS, HOLD_FRAMES, other[link], frame])
                continue
            other[link].send(frame)
            for entry in held:
                entry[1] -= 1
        for entry in [entry for entry in held if entry[1] <= 0 or entry[0] <= now]:
            entry[2].send(entry[3])
            held.remove(entry)


main()

"""The address of a name, without ever waiting: getaddrinfo() blocks, for longer than a watchdog has patience.

DNS as RFC 1035 has it, by UDP, with one question for an IPv4 address; the name server follows aliases. A name that ends
in .local is asked of everybody on the same network (one-shot multicast DNS, RFC 6762 section 5.1).
"""

import socket
import struct

from micropython import const
from wayside_wire.text import printable

_TRY_MS = const(1500)  # that an answer may take; each server is asked twice
_STEP_MS = const(20)
_MULTICAST = (("224.0.0.251", 5353),)
_A = const(1)
_IN = const(1)
_RECURSION_DESIRED = const(0x0100)
_MAX = const(512)


class LookupFailed(Exception):
    """No address; the text says why."""


def is_address(host: str) -> bool:
    """Whether it is an IPv4 address already."""
    parts = host.split(".")
    return len(parts) == 4 and all([part.isdigit() and int(part[:4]) < 256 for part in parts])


async def look_up(host: str, servers, clock, random, beat) -> str:
    """The IPv4 address of `host`; LookupFailed after some seconds.

    servers: (address, port) of each name server; random(): a number of 16 bits; beat(): told that the task moves.
    """
    if is_address(host):
        return host
    if host == "localhost":  # RFC 6761 section 6.3
        return "127.0.0.1"
    multicast = host.endswith(".local")
    servers = _MULTICAST if multicast else servers
    if not servers:
        raise LookupFailed("%s: no network or no name server yet" % host)
    for _ in range(2):
        for server in servers:
            found = await _ask(host, server, multicast, clock, random() & 0xFFFF, beat)
            if found:
                return found
    raise LookupFailed("no name server knows %s, or none answers" % host)


async def _ask(host: str, server, multicast: bool, clock, number: int, beat):
    """An address, None when no answer has one."""
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        line.setblocking(False)
        place = socket.getaddrinfo(server[0], server[1], 0, socket.SOCK_DGRAM)[0][-1]
        question = _question(host, number)
        if multicast:
            line.sendto(question, place)  # and whoever has the name answers
        else:
            line.connect(place)  # and nobody else's answers get through
            line.send(question)
        end = clock.now() + _TRY_MS
        while clock.now() < end:
            beat()
            await clock.sleep_ms(_STEP_MS)
            try:
                data = line.recv(_MAX)
            except OSError:
                continue  # nothing has come yet
            found = answer(data or b"", number, question)
            if found is not None:
                return found
    except OSError:
        pass  # no way to this server: another one, or later
    finally:
        line.close()
    return None


def _question(host: str, number: int) -> bytes:
    labels = host.encode().rstrip(b".").split(b".")
    if not all([0 < len(label) < 64 for label in labels]):
        raise LookupFailed("%s is no name" % printable(host, 64))
    name = b"".join([bytes([len(label)]) + label for label in labels])
    return struct.pack(">HHHHHH", number, _RECURSION_DESIRED, 1, 0, 0, 0) + name + struct.pack(">BHH", 0, _A, _IN)


def answer(data: bytes, number: int, question: bytes):
    """The first address in an answer to `question`; "": there is none; None: it is no answer to it."""
    if len(data) < 12:
        return None
    own, flags, questions, answers = struct.unpack_from(">HHHH", data)
    if own != number or not flags & 0x8000 or questions > 1:
        return None
    if questions and data[12 : len(question)].lower() != question[12:].lower():
        return None
    try:
        at = len(question) if questions else 12
        for _ in range(answers):
            at = _behind_name(data, at)
            if at + 10 > len(data):
                return None
            kind, group, _, size = struct.unpack_from(">HHIH", data, at)
            at += 10
            if at + size > len(data):
                return None
            if (kind, group & 0x7FFF, size) == (_A, _IN, 4):
                return ".".join([str(octet) for octet in data[at : at + 4]])
            at += size
    except IndexError:  # it is cut off
        return None
    return ""


def _behind_name(data: bytes, at: int) -> int:
    while True:
        size = data[at]
        if size >= 0xC0:  # the rest of the name stands elsewhere
            return at + 2
        at += 1 + size
        if not size:
            return at

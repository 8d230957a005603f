"""Names without waiting: answers as name servers give them, and as strangers do; a real socket in between."""

import asyncio
import socket
import struct

from fakes import Time
from wayside_node.name_lookup import LookupFailed, answer, is_address, look_up

NUMBER = 0x1234
QUESTION = struct.pack(">HHHHHH", NUMBER, 0x0100, 1, 0, 0, 0) + b"\x06broker\x04test\x00\x00\x01\x00\x01"
NAME = b"\xc0\x0c"


def record(kind, data, name=NAME, group=1):
    return name + struct.pack(">HHIH", kind, group, 60, len(data)) + data


def reply(*records, number=NUMBER, flags=0x8180, question=QUESTION[12:]):
    return (
        struct.pack(">HHHHHH", number, flags, 1 if question else 0, len(records), 0, 0) + question + b"".join(records)
    )


def test_the_address_of_a_name():
    assert answer(reply(record(1, b"\x0a\x00\x00\x07")), NUMBER, QUESTION) == "10.0.0.7"


def test_an_alias_before_the_address():
    alias = record(5, b"\x05other\x04test\x00")
    real = record(1, b"\x0a\x00\x00\x08", b"\x05other\x04test\x00")
    assert answer(reply(alias, real), NUMBER, QUESTION) == "10.0.0.8"
    assert answer(reply(alias), NUMBER, QUESTION) == ""


def test_an_ipv6_address_first():
    assert answer(reply(record(28, bytes(16)), record(1, b"\x01\x02\x03\x04")), NUMBER, QUESTION) == "1.2.3.4"


def test_a_name_server_that_keeps_the_letters_as_it_likes():
    raised = QUESTION[12:].replace(b"broker", b"BroKer")
    assert answer(reply(record(1, b"\x01\x02\x03\x04"), question=raised), NUMBER, QUESTION) == "1.2.3.4"


def test_multicast_without_the_question_and_with_the_cache_bit():
    found = reply(record(1, b"\x01\x02\x03\x04", QUESTION[12:-4], 0x8001), flags=0x8400, question=b"")
    assert answer(found, NUMBER, QUESTION) == "1.2.3.4"


def test_no_such_name_is_an_answer():
    assert answer(reply(flags=0x8183), NUMBER, QUESTION) == ""


def test_what_is_no_answer_to_the_question():
    good = reply(record(1, b"\x01\x02\x03\x04"))
    assert answer(b"", NUMBER, QUESTION) is None
    assert answer(good, NUMBER + 1, QUESTION) is None
    assert answer(QUESTION, NUMBER, QUESTION) is None
    other = QUESTION[12:].replace(b"test", b"tast")
    assert answer(reply(record(1, b"\x01\x02\x03\x04"), question=other), NUMBER, QUESTION) is None
    for size in range(len(good)):  # cut off
        assert answer(good[:size], NUMBER, QUESTION) is None
    for place in range(12, len(good)):  # whatever is in it, nothing is raised and nothing hangs
        for value in (0, 0x3F, 0xC0, 0xFF):
            answer(good[:place] + bytes([value]) + good[place + 1 :], NUMBER, QUESTION)


def test_an_address_is_no_name():
    for text in ("127.0.0.1", "10.0.0.255"):
        assert is_address(text)
    for text in ("broker", "10.0.0", "10.0.0.256", "10.0.0.1.2", "a.b.c.d", "1.2.3.", "10.0.0.11111"):
        assert not is_address(text)
    assert asyncio.run(look_up("10.0.0.7", [], None, None, None)) == "10.0.0.7"


def ask(host, servers, time=None):
    """The address. The watchdog is never forgotten over it."""
    time = time or Time()
    beats = []
    try:
        return asyncio.run(look_up(host, servers, time.clock(), lambda: NUMBER, lambda: beats.append(time.at_ms)))
    finally:
        assert all([later - sooner <= 100 for sooner, later in zip(beats, beats[1:])])


class Server:
    """A name server on a real socket: it answers while the one who asks sleeps."""

    def __init__(self, time, address="10.0.0.9"):
        self.line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.line.setblocking(False)
        self.port = self._bind()
        self.silent = False
        self.asked = 0
        self.before = []
        self.packed = bytes([int(part) for part in address.split(".")])
        time.hooks.append(self.look)

    def _bind(self):
        for port in range(30053, 30153):
            try:
                self.line.bind(socket.getaddrinfo("127.0.0.1", port)[0][-1])
                return port
            except OSError:
                continue
        raise OSError("no port is free")

    def look(self, _):
        try:
            data, sender = self.line.recvfrom(512)
        except OSError:
            return
        self.asked += 1
        if self.silent:
            return
        for each in self.before + [reply(record(1, self.packed), number=NUMBER, question=data[12:])]:
            self.line.sendto(each, sender)


def test_a_real_server_is_asked():
    time = Time()
    server = Server(time)
    assert ask("broker.test", [("127.0.0.1", server.port)], time) == "10.0.0.9"
    assert server.asked == 1
    server.line.close()


def test_a_foreign_answer_before_the_right_one():
    time = Time()
    server = Server(time)
    server.before = [reply(record(1, b"\x06\x06\x06\x06"), number=NUMBER ^ 1), b"", b"nonsense", QUESTION]
    assert ask("broker.test", [("127.0.0.1", server.port)], time) == "10.0.0.9"
    server.line.close()


def test_the_first_server_is_silent():
    time = Time()
    silent = Server(time)
    silent.silent = True
    server = Server(time)
    assert ask("broker.test", [("127.0.0.1", silent.port), ("127.0.0.1", server.port)], time) == "10.0.0.9"
    silent.line.close()
    server.line.close()


def test_nobody_answers():
    time = Time()
    try:
        ask("broker.test", [("127.0.0.1", 9), ("127.0.0.1", 10)], time)
        raise AssertionError("an address from nobody")
    except LookupFailed as error:
        assert "broker.test" in str(error)
    assert time.at_ms <= 7000


def test_a_name_that_is_none():
    for host in ("a..b", "." * 3, "x" * 64):
        try:
            ask(host, [("127.0.0.1", 9)])
            raise AssertionError("%s was asked for" % host)
        except LookupFailed:
            pass
    assert ask("localhost", []) == "127.0.0.1"

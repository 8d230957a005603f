"""Entries as ESP-IDF writes them: the CRC of choice 1 is 0x4743989a in every board's dump."""

import binascii

from wayside_node.otadata import on_trial

NEW, PENDING, VALID, ABORTED = 0, 1, 2, 4
EMPTY = b"\xff" * 32


def entry(number, state, crc=None):
    head = bytes([number, 0, 0, 0])
    crc = crc or (binascii.crc32(head, 0xFFFFFFFF) & 0xFFFFFFFF).to_bytes(4, "little")
    return head + b"\xff" * 20 + bytes([state, 0, 0, 0]) + crc


def test_the_higher_choice_counts():
    assert entry(1, VALID)[28:] == b"\x9a\x98\x43\x47"
    for first, second, expected in (
        (EMPTY, EMPTY, False),  # fresh from `wayside flash`: the boot loader takes the first slot, without a trial
        (entry(1, VALID), EMPTY, False),
        (entry(1, PENDING), EMPTY, True),
        (entry(1, VALID), entry(2, PENDING), True),
        (entry(3, VALID), entry(2, PENDING), False),
        (entry(3, ABORTED), entry(2, VALID), False),
        (entry(1, VALID), entry(2, NEW), False),
        (entry(1, PENDING), entry(2, VALID, b"torn"), True),
    ):
        assert on_trial(first, second) == expected
        assert on_trial(second, first) == expected

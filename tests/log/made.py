"""Entries for tests of the log: packs without a real signature, each with its place in a chain."""

from wayside.evidence.entry import encode_unplaced
from wayside.evidence.kinds import DEVICE_ATTESTED, ClockBody, PackBody
from wayside.evidence.stream import GATEWAY, device_stream
from wayside.log import Append, ChainName, PackPlace

KID = b"k" * 8
STREAM = device_stream("m")


def chain(device: str = "m") -> ChainName:
    return ChainName(device, KID)


def a_pack(
    number: int, raw: bytes, device: str = "m", at_ms: int | None = None, boot: int = 1, quality: int = 2
) -> Append:
    """The pack of sequence `number`, logged at `at_ms` (by default as many ms since 1970)."""
    data = encode_unplaced(number if at_ms is None else at_ms, quality, PackBody(DEVICE_ATTESTED, raw))
    return Append(device_stream(device), data, PackPlace(chain(device), boot, number, b"%16d" % number))


def a_note(text: bytes, notes: dict[str, bytes] | None = None) -> Append:
    """An entry of the gateway's own, different for each text."""
    return Append(GATEWAY, encode_unplaced(0, 2, ClockBody(int.from_bytes(text[:7], "big"))), notes=notes or {})

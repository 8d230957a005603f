"""Frames on the air: a header of 11 bytes in the clear, a payload sealed with AES-CCM-16-64-128.

=======  ====  ==================================================================
offset   size  field, numbers big endian
=======  ====  ==================================================================
0        1     version 1 (4 bits), whether it asks for an answer (1), kind (3)
1        4     network: a random number of the site, the same for all its nodes
5        2     node in this network
7        4     counter: never used twice with a key and a kind
11       n     ciphertext
11 + n   8     tag
=======  ====  ==================================================================

Ciphertext and tag are those of a COSE_Encrypt0 (RFC 9052 section 5.2) with the protected header {1: 10}, header and
profile digest as external data, and header and two zero bytes as IV. Two ends whose profiles differ do not understand
each other at all: better than a value under a wrong name. Payloads: lora_report.py, lora_config.py; docs/lora.md.
"""

import struct
from collections import namedtuple

from . import WireError, cbor
from .aes import TAG_SIZE, Ccm

VERSION = 1
REPORT, HEAD, ANSWER, STATUS = 0, 1, 2, 3
"""Kinds: readings, signed chain heads and the node's own state, node -> gateway; answers, gateway -> node."""

HEADER_SIZE = 11
OVERHEAD = HEADER_SIZE + TAG_SIZE
MAX_FRAME = 255  # what an SX127x or SX126x sends in one packet

_FORMAT = ">BIHI"
_ASKS = 8
_PROTECTED = b"\xa1\x01\x0a"  # {alg: AES-CCM-16-64-128}
_IV_END = b"\x00\x00"

Header = namedtuple("Header", ("kind", "asks", "network", "node", "counter"))
"""asks: the node listens for an answer; unasked, the gateway would only speak into its next frame."""


class LoraSession:
    """What two ends share: a 16-byte key of this node alone, and the digest of its profile (Profile.digest)."""

    def __init__(self, key: bytes, digest: bytes):
        self._ccm = Ccm(key)
        self._digest = digest

    def seal(self, header, payload: bytes) -> bytes:
        """The frame; ValueError when it would be larger than MAX_FRAME."""
        first = VERSION << 4 | (_ASKS if header.asks else 0) | header.kind
        head = struct.pack(_FORMAT, first, header.network, header.node, header.counter)
        if len(payload) + OVERHEAD > MAX_FRAME:
            raise ValueError("a frame of %d bytes is over %d" % (len(payload) + OVERHEAD, MAX_FRAME))
        return head + self._ccm.seal(head + _IV_END, self._aad(head), payload)

    def open(self, raw: bytes) -> bytes:
        """The payload of a frame whose header read_header() took; WireError when it is not from the other end."""
        head = raw[:HEADER_SIZE]
        return self._ccm.open(head + _IV_END, self._aad(head), raw[HEADER_SIZE:])

    def _aad(self, head: bytes) -> bytes:
        return cbor.encode(["Encrypt0", _PROTECTED, head + self._digest])


def read_header(raw: bytes):
    """The Header of a frame; WireError otherwise. Nothing in it is true before LoraSession.open() says so."""
    if not OVERHEAD <= len(raw) <= MAX_FRAME:
        raise WireError("LoRa: %d bytes are no frame" % len(raw))
    first, network, node, counter = struct.unpack(_FORMAT, raw[:HEADER_SIZE])
    if first >> 4 != VERSION:
        raise WireError("LoRa: another version")
    if first & 7 > STATUS:
        raise WireError("LoRa: unknown kind %d" % (first & 7))
    return Header(first & 7, bool(first & _ASKS), network, node, counter)

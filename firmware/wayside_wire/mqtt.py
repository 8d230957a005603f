"""MQTT 3.1.1 (OASIS standard, 2014) as far as a node needs it: connect, publish and subscribe at QoS 0, ping.

QoS 0 is enough: what the gateway has taken, it acknowledges itself, and what is not acknowledged is sent again.
"""

import struct

from . import WireError

CONNECT, CONNACK, PUBLISH, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 1, 2, 3, 8, 9, 12, 13, 14
"""Control packet types, section 2.2.1."""

_PROTOCOL = b"\x00\x04MQTT\x04"  # section 3.1.2: name and level
_CLEAN = 0x02
_PASSWORD = 0x40
_USERNAME = 0x80

REFUSALS = (
    "",
    "the broker does not speak MQTT 3.1.1",
    "the broker does not take this client's name",
    "the broker is not available",
    "user name or password are wrong",
    "not authorised",
)
"""Return codes of CONNACK, section 3.2.2.3."""


def connect(client: str, keepalive_s: int, username=None, password=None) -> bytes:
    """CONNECT with a clean session. username, password: text, None for none."""
    flags = _CLEAN
    payload = _text(client)
    if username is not None:
        flags |= _USERNAME
        payload += _text(username)
    if password is not None:
        flags |= _PASSWORD
        payload += _text(password)
    return _packet(CONNECT << 4, _PROTOCOL + struct.pack(">BH", flags, keepalive_s) + payload)


def publish(topic: str, payload: bytes) -> bytes:
    """PUBLISH at QoS 0."""
    return _packet(PUBLISH << 4, _text(topic) + payload)


def subscribe(number: int, topic: str) -> bytes:
    """SUBSCRIBE at QoS 0; `number` is the packet identifier, 1 .. 65535."""
    return _packet(SUBSCRIBE << 4 | 2, struct.pack(">H", number) + _text(topic) + b"\x00")


def pingreq() -> bytes:
    return _packet(PINGREQ << 4, b"")


def disconnect() -> bytes:
    return _packet(DISCONNECT << 4, b"")


def refusal(body: bytes) -> str:
    """Why a CONNACK says no; empty when it says yes. WireError when it is out of form."""
    if len(body) != 2 or body[0] & 0xFE:
        raise WireError("mqtt: CONNACK is out of form")
    code = body[1]
    return REFUSALS[code] if code < len(REFUSALS) else "return code %d" % code


def published(flags: int, body: bytes):
    """(topic, payload) of a PUBLISH at QoS 0; WireError for anything else."""
    if flags & 6:
        raise WireError("mqtt: a PUBLISH at a QoS that was not asked for")
    if len(body) < 2:
        raise WireError("mqtt: PUBLISH is out of form")
    end = 2 + (body[0] << 8 | body[1])
    if len(body) < end:
        raise WireError("mqtt: PUBLISH is shorter than its topic")
    try:
        return body[2:end].decode(), body[end:]
    except UnicodeError:
        raise WireError("mqtt: the topic is not UTF-8")


class PacketDecoder:
    """Bytes in, packets out: (type, flags, body). Any other packet over `max_size` than a publication, or an impossible
    length, is a WireError. A publication may be anybody's, and one that the broker keeps would come again after each
    connection: it is left out, and counted in `oversize`."""

    def __init__(self, max_size: int):
        self._max_size = max_size
        self._data = b""
        self._skip = 0  # bytes that are still to be left out
        self.oversize = 0

    def feed(self, data: bytes) -> list:
        self._data += data
        packets = []
        while True:
            skipped = self._data[: self._skip]
            self._data = self._data[len(skipped) :]
            self._skip -= len(skipped)
            packet = self._take()
            if packet is not None:
                packets.append(packet)
            elif not self._skip or not self._data:
                return packets

    def _take(self):
        data = self._data
        size = shift = 0
        for at in range(1, min(len(data), 5)):
            size |= (data[at] & 0x7F) << shift
            shift += 7
            if data[at] < 0x80:
                break
        else:
            if len(data) >= 5:
                raise WireError("mqtt: a length of more than four bytes")
            return None
        if size > self._max_size and data[0] >> 4 == PUBLISH:
            self.oversize += 1
            self._skip = at + 1 + size
            return None
        if size > self._max_size:
            raise WireError("mqtt: a packet of %d bytes is over %d" % (size, self._max_size))
        end = at + 1 + size
        if len(data) < end:
            return None
        self._data = data[end:]
        return data[0] >> 4, data[0] & 15, data[at + 1 : end]


def _packet(first: int, body: bytes) -> bytes:
    size = len(body)
    header = bytes([first])
    while size >= 0x80:
        header += bytes([size & 0x7F | 0x80])
        size >>= 7
    return header + bytes([size]) + body


def _text(text: str) -> bytes:
    data = text.encode()
    if len(data) > 0xFFFF:
        raise ValueError("mqtt: a text of over 65535 bytes")
    return struct.pack(">H", len(data)) + data

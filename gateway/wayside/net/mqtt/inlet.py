"""What a broker sends, without the messages that are too large: those are passed over, whatever their size.

A broker that speaks MQTT 5 heeds our Maximum Packet Size. One that speaks 3.1.1 sends what somebody has published, and
a client that closed the connection would get a retained message again at once, for ever. So a PUBLISH that is too large
is read piece by piece, kept nowhere, and acknowledged. Pure: no sockets.
"""

from collections import deque
from typing import NamedTuple

from wayside.text.printable import printable

_PUBLISH = 3  # MQTT 3.1.1 section 2.2.1
_HEAD = 5  # bytes of a fixed header at most, section 2.2.3


class TooLarge(NamedTuple):
    """A PUBLISH that was passed over. `size`: its bytes; `mid`: its packet identifier, 0 at QoS 0."""

    topic: str
    size: int
    mid: int
    qos: int

    def __str__(self) -> str:
        return f"a message of {self.size} bytes on {printable(self.topic, 80)} is too large and was not read"


class Inlet:
    """Feed it what the socket gives, take from it what the client may see."""

    def __init__(self, largest: int):
        """`largest`: bytes of a packet, fixed header included."""
        self._largest = largest
        self._ready = bytearray()
        self._head = bytearray()  # of the packet that begins
        self._pass = 0  # bytes of the packet under way that go on
        self._skip = 0  # bytes of it that do not
        self._begin = bytearray()  # of what is skipped: topic and packet identifier
        self._size = self._qos = 0
        self.too_large: deque[TooLarge] = deque()

    def __len__(self) -> int:
        """Bytes that can be taken."""
        return len(self._ready)

    def take(self, count: int) -> bytes:
        """At most `count` bytes."""
        taken = bytes(self._ready[:count])
        del self._ready[:count]
        return taken

    def feed(self, data: bytes) -> None:
        """ValueError when it is not MQTT, or a packet that is too large without being a message."""
        at = 0
        while at < len(data):
            if self._pass:
                piece = data[at : at + self._pass]
                self._ready += piece
                self._pass -= len(piece)
                at += len(piece)
            elif self._skip:
                count = min(self._skip, len(data) - at)
                self._pass_over(data[at : at + count])
                at += count
            else:
                at = self._read_head(data, at)

    def _read_head(self, data: bytes, at: int) -> int:
        """Take what belongs to the fixed header; returns where it stopped."""
        head = self._head
        while at < len(data):
            head.append(data[at])
            at += 1
            if len(head) > 1 and head[-1] < 0x80:
                self._begin_packet()
                break
            if len(head) == _HEAD:
                raise ValueError("a length of more than four bytes")
        return at

    def _begin_packet(self) -> None:
        head = bytes(self._head)
        self._head.clear()
        rest = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(head[1:]))
        if len(head) + rest <= self._largest:
            self._ready += head
            self._pass = rest
            return
        qos = head[0] >> 1 & 3
        if head[0] >> 4 != _PUBLISH or qos > 1:
            raise ValueError(f"a packet of {len(head) + rest} bytes, {self._largest} are the most")
        self._skip, self._size, self._qos = rest, len(head) + rest, qos
        self._begin.clear()

    def _pass_over(self, piece: bytes) -> None:
        # At most 2 + 65,535 + 2 bytes: a topic has its length in two, section 1.5.3, and so has the identifier.
        wanted = 2 if len(self._begin) < 2 else self._topic_end() + 2
        while len(self._begin) < wanted and piece:
            taken = piece[: wanted - len(self._begin)]
            self._begin += taken
            piece = piece[len(taken) :]
            self._skip -= len(taken)
            wanted = 2 if len(self._begin) < 2 else self._topic_end() + 2
        self._skip -= len(piece)
        if not self._skip:
            end = self._topic_end() if len(self._begin) >= 2 else 0
            if len(self._begin) < end + 2:
                raise ValueError("a topic that is longer than its message")
            topic = self._begin[2:end].decode(errors="replace")
            mid = int.from_bytes(self._begin[end : end + 2], "big") if self._qos else 0
            self.too_large.append(TooLarge(topic, self._size, mid, self._qos))

    def _topic_end(self) -> int:
        return 2 + int.from_bytes(self._begin[:2], "big")

"""Publishes MQTT 3.1.1 over a bare socket: what is sent need not be in memory, and need not be sensible."""

import socket


def packet(kind: int, body: bytes) -> bytes:
    """A packet with the first byte `kind`."""
    return bytes([kind]) + _length(len(body)) + body


def _length(left: int) -> bytes:
    coded = b""
    while True:
        coded += bytes([left & 0x7F | (0x80 if left > 0x7F else 0)])
        left >>= 7
        if not left:
            return coded


class RawPublisher:
    """Publishes over a bare socket: what is sent need not be in memory."""

    def __init__(self, port: int):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.sendall(packet(0x10, b"\x00\x04MQTT\x04\x02\x00\x00\x00\x00"))
        assert self._socket.recv(4) == b"\x20\x02\x00\x00"

    def publish(self, topic: bytes, size: int, retain: bool = False, qos: int = 1) -> None:
        body = len(topic).to_bytes(2, "big") + topic + (b"\x00\x01" if qos else b"")
        self._socket.sendall(bytes([0x30 | qos << 1 | retain]) + _length(len(body) + size) + body)
        piece = bytes(1 << 16)
        for at in range(0, size, len(piece)):
            self._socket.sendall(piece[: size - at])
        if qos:
            assert self._socket.recv(4) == b"\x40\x02\x00\x01"

    def say(self, topic: bytes, payload: bytes) -> None:
        """A small message that nobody acknowledges."""
        body = len(topic).to_bytes(2, "big") + topic + payload
        self._socket.sendall(packet(0x30, body))

    def close(self) -> None:
        self._socket.close()

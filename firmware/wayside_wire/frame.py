"""Frames on the serial link: COBS over message and CRC-32, ended by a zero byte.

COBS (Cheshire and Baker, IEEE/ACM Transactions on Networking 7(2), 1999) keeps zero for the delimiter, so a receiver
that starts in the middle or meets noise is in step again at the next zero. CRC-32 is that of IEEE 802.3, least
significant byte first, over the message.
"""

import binascii

MAX_FRAME = 1024  # bytes on the wire, delimiter included
MAX_MESSAGE = MAX_FRAME - 4 - 1 - 5  # without CRC, delimiter and COBS overhead (one byte per 254 and one)


def encode(message: bytes) -> bytes:
    """The frame of `message`; ValueError when it would be larger than MAX_FRAME."""
    if len(message) > MAX_MESSAGE:
        raise ValueError("message of %d bytes is over %d" % (len(message), MAX_MESSAGE))
    # Every zero becomes the distance to the next one: first the frame with the zeros, then one jump for each.
    out = bytearray(b"\0" + message + binascii.crc32(message).to_bytes(4, "little") + b"\0")
    code = 0
    last = len(out) - 1
    while code < last:
        zero = out.find(b"\0", code + 1)
        if zero - code < 255:
            out[code] = zero - code
            code = zero
        else:
            out[code] = 255  # as far as a code reaches: another one without a zero
            code += 255
            out[code:code] = b"\0"
            last += 1
    return bytes(out)


def unstuff(body: bytes) -> bytes | None:
    """The bytes that COBS hid in `body` (without delimiter), or None where it is not COBS."""
    out = bytearray()
    at = 0
    while at < len(body):
        code = body[at]
        end = at + code
        if code == 0 or end > len(body):
            return None
        out.extend(body[at + 1 : end])
        at = end
        if code != 255 and at < len(body):
            out.append(0)
    return bytes(out)


class FrameDecoder:
    """Turns a byte stream into messages. Keeps at most one frame; what it drops, it counts.

    crc_errors: frames with a wrong CRC or no COBS; oversize: frames cut because no zero came within MAX_FRAME bytes.
    """

    def __init__(self):
        self.crc_errors = 0
        self.oversize = 0
        self._buffer = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that `data` completes, in order."""
        messages = []
        if not self._buffer and not self._skipping and data[:1] == b"\x00":
            data = data.lstrip(b"\x00")  # a line that is held down says nothing else, and without end
        start = 0
        while True:
            end = data.find(b"\x00", start)
            self._take(data[start:] if end < 0 else data[start:end])
            if end < 0:
                return messages
            message = self._finish()
            if message is not None:
                messages.append(message)
            start = end + 1

    def _take(self, piece: bytes) -> None:
        if self._skipping:
            return
        if len(self._buffer) + len(piece) >= MAX_FRAME:
            self._skipping = True
            self._buffer = bytearray()
            self.oversize += 1
        else:
            self._buffer.extend(piece)

    def _finish(self) -> bytes | None:
        body = bytes(self._buffer)
        skipped = self._skipping
        self._buffer = bytearray()
        self._skipping = False
        if skipped or not body:  # an empty frame is only a delimiter sent to get into step
            return None
        checked = unstuff(body)
        if checked is None or len(checked) < 4:
            self.crc_errors += 1
            return None
        message = checked[:-4]
        if binascii.crc32(message) != int.from_bytes(checked[-4:], "little"):
            self.crc_errors += 1
            return None
        return message

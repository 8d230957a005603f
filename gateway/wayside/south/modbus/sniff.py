"""Takes apart what goes over an RTU line that another master owns, without sending anything."""

from typing import NamedTuple

from wayside_wire import modbus

_LONGEST = 256  # bytes of a frame


class Frame(NamedTuple):
    """A frame with a right CRC. request: that which it answers, None when it is itself a request or stands alone."""

    body: bytes
    request: bytes | None

    @property
    def data(self) -> bytes:
        """The registers or bits of an answer; empty for anything else."""
        answers_read = self.request is not None and self.body[1] <= modbus.READ_INPUT
        return self.body[3:] if answers_read else b""


class Sniffer:
    """Turns bytes into frames. noise counts the bytes that belong to none.

    A frame begins wherever unit, function, length and CRC fit: gaps between frames do not survive USB adapters.
    """

    def __init__(self) -> None:
        self.noise = 0
        self._buffer = bytearray()
        self._request: bytes | None = None

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes."""
        self._buffer += data
        frames = []
        while self._buffer:
            frame = self._first()
            if frame is not None:
                frames.append(frame)
            elif len(self._buffer) > _LONGEST:
                del self._buffer[0]
                self.noise += 1
            else:
                # It may be the beginning of a frame, or noise with a whole frame behind it.
                skipped = self._resynchronise()
                if not skipped:
                    break
        return frames

    def _first(self) -> Frame | None:
        """The frame at the start of the buffer, taken out of it."""
        for size, is_answer in self._sizes(self._buffer):
            if 4 <= size <= len(self._buffer) and not modbus.crc16(self._buffer[:size]):
                body = bytes(self._buffer[: size - 2])
                del self._buffer[:size]
                if is_answer and self._request is not None:
                    frame = Frame(body, self._request)
                    self._request = None
                    return frame
                self._request = None if is_answer else body
                return Frame(body, None)
        return None

    def _sizes(self, buffer: bytearray) -> list[tuple[int, bool]]:
        """The (length, is an answer) that a frame beginning here could have."""
        if len(buffer) < 4:
            return []
        function = buffer[1]
        if function & 0x80:
            return [(5, True)]
        expected = self._request is not None and self._request[:2] == buffer[:2]
        if function <= modbus.READ_INPUT:
            sizes = [(buffer[2] + 5, True), (8, False)]
            return sizes if expected else sizes[::-1]
        if function in (5, modbus.WRITE_REGISTER):
            return [(8, expected)]
        if function in (15, modbus.WRITE_REGISTERS):
            long = [(buffer[6] + 9, False)] if len(buffer) > 6 else []
            return [(8, True), *long] if expected else [*long, (8, True)]
        return []

    def _resynchronise(self) -> bool:
        """Drop what stands before the next whole frame in the buffer; False when there is none."""
        for start in range(1, len(self._buffer) - 3):
            rest = self._buffer[start:]
            for size, _ in self._sizes(rest):
                if 5 <= size <= len(rest) and not modbus.crc16(rest[:size]):
                    del self._buffer[:start]
                    self.noise += start
                    return True
        return False

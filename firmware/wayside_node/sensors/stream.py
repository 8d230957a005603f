"""Frames of a known beginning and length in a byte stream, as particle sensors send them."""


class Framer:
    """Finds frames that `check(frame) -> bool` accepts. errors: stretches that began like a frame and were none."""

    def __init__(self, begin: bytes, size: int, check):
        self._begin = begin
        self._size = size
        self._check = check
        self._buffer = b""
        self.errors = 0

    def feed(self, data: bytes) -> list:
        """The frames that `data` completes. Keeps less than one frame."""
        found = []
        buffer = self._buffer + data
        while True:
            at = buffer.find(self._begin)
            if at < 0:
                # The last bytes may be the first of a beginning.
                keep = len(self._begin) - 1
                self._buffer = buffer[-keep:] if keep else b""
                return found
            buffer = buffer[at:]
            if len(buffer) < self._size:
                self._buffer = buffer
                return found
            frame = buffer[: self._size]
            if self._check(frame):
                found.append(frame)
                buffer = buffer[self._size :]
            else:
                self.errors += 1
                buffer = buffer[1:]

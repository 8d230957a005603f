"""Sensors that send frames of a known beginning and length by themselves, as particle sensors do."""


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


class StreamDriver:
    """Takes each frame that comes into the sensor's state."""

    def __init__(self, port, clock, framer, decode, state, warm_up_ms: int):
        """port: a UART that never blocks; decode(frame): the values of a frame; state: a state.SensorState.

        warm_up_ms: how long it is cold when it speaks again after a silence: it may have been without power.
        """
        self._port = port
        self._clock = clock
        self._framer = framer
        self._decode = decode
        self._state = state
        self._warm_up_ms = warm_up_ms

    def step(self) -> None:
        data = self._port.read(64)
        for frame in self._framer.feed(data) if data else ():
            now = self._clock.now()
            if self._state.is_silent(now):
                self._state.warm_up(now, self._warm_up_ms)
            self._state.good(now, *self._decode(frame))

    def readings(self, now_ms: int) -> list:
        return self._state.readings(now_ms)

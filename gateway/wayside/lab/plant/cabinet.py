"""A cabinet for the virtual board's `lamps`: relays, lamps, current sensors and detector contacts, on a pty.

The node says "L", a count and lamp bits per channel; the cabinet answers "S" with what the lamps draw and "I" with the
inputs. The relays fall off to flash when the node is not heard for 100 ms, as a flash transfer relay does that a
retriggerable monostable holds (boards: wiring.md).
"""

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress

FALL_OFF_S = 0.1


class Cabinet:
    """`seen`: (monotonic seconds, lamps) of every change since the last clear(); lamps and inputs: a byte each."""

    def __init__(self, handle: int, flash: bytes, inputs: int = 0):
        """handle: the master of a raw pty; flash: the lamps of the safe state."""
        self._handle = handle
        self._flash = flash
        self._buffer = b""
        self._fall: asyncio.TimerHandle | None = None
        self.inputs = bytearray(inputs)
        self.spoil: Callable[[bytes], bytes] = lambda lamps: lamps
        """What lamps really draw: burnt bulbs, welded relays."""
        self.lamps = flash
        self.seen: list[tuple[float, bytes]] = []

    def readable(self) -> None:
        """Data waits on the handle."""
        with suppress(BlockingIOError):
            self._buffer += os.read(self._handle, 4096)
        while len(self._buffer) >= 2 and len(self._buffer) >= 2 + self._buffer[1]:
            end = 2 + self._buffer[1]
            kind, value, self._buffer = self._buffer[:1], self._buffer[2:end], self._buffer[end:]
            if kind == b"L" and len(value) == len(self._flash):
                self._hear(value)

    def clear(self) -> None:
        """Forget what was seen."""
        self.seen.clear()

    @property
    def flashing(self) -> bool:
        """Whether the lamps show the safe state."""
        return self.lamps == self._flash

    def close(self) -> None:
        if self._fall:
            self._fall.cancel()

    def _hear(self, wanted: bytes) -> None:
        self.close()
        self._fall = asyncio.get_running_loop().call_later(FALL_OFF_S, self._draw, self._flash)
        self._draw(wanted)
        answer = b"S" + bytes([len(self.lamps)]) + self.lamps
        if self.inputs:
            answer += b"I" + bytes([len(self.inputs)]) + self.inputs
        with suppress(BlockingIOError):
            os.write(self._handle, answer)

    def _draw(self, wanted: bytes) -> None:
        drawn = self.spoil(wanted)
        if drawn != self.lamps:
            self.lamps = drawn
            self.seen.append((time.monotonic(), drawn))

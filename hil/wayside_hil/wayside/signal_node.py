"""A node of the board RP2040_SIGNAL: relays, lamps and sensors on its pins, controller and monitor on its lines."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wayside_wire import frame
from wayside_wire.mac import Hmac
from wayside_wire.signal_frames import NONCE_SIZE, Shown, unseal
from wayside_wire.signal_line import End

from ..emulator import Emulator, Event, PinEdge, Reset, UartByte
from ..world import World
from .console import NodeRepl

# boards/RP2040_SIGNAL/wiring.md
UARTS = {"controller": 0, "monitor": 1}
RELAYS = (6, 7, 8, 9, 10, 11, 12, 13, 14)
SENSORS = (15, 16, 17, 18, 19, 20, 21, 22, 26)
RENEW = 2
BAUD = 115200
_FALL_OFF_NS = 100_000_000
_EVERY_NS = 100_000_000
_MS = 1_000_000


class Relays:
    """Relays that take a while, the lamps behind them and their sensors; and the flash transfer relay.

    `changes`: (ns, lamp, whether it is lit by the node), lamps numbered as the relays.
    """

    def __init__(self, emulator: Emulator, delay_ns: int):
        self.changes: list[tuple[int, int, bool]] = []
        self._burnt: set[int] = set()
        self._welded: set[int] = set()
        self._renewed_at = 0
        self._emulator = emulator
        self._delay_ns = delay_ns
        self._lit = [False] * len(RELAYS)

    def see(self, event: Event) -> None:
        if not isinstance(event, PinEdge):
            return
        if event.pin == RENEW and event.level is not None:
            self._renewed_at = event.at
        if event.pin in RELAYS:
            self._switch(RELAYS.index(event.pin), event.level == 1, event.at)

    def settle(self, now_ns: int) -> None:
        """The flash transfer relay falls off when nobody renews it; the node's relays then light nothing."""
        if now_ns - self._renewed_at > _FALL_OFF_NS:
            for lamp, lit in enumerate(self._lit):
                if lit and lamp not in self._welded:
                    self._draw(lamp, False, self._renewed_at + _FALL_OFF_NS)

    def lit(self, lamp: int) -> bool:
        return self._lit[lamp]

    def weld(self, lamp: int) -> None:
        """Its relay closes and stays closed."""
        self._welded.add(lamp)
        self._draw(lamp, True, self._emulator.now)

    def burn(self, lamp: int) -> None:
        """It draws nothing any more."""
        self._burnt.add(lamp)
        self._draw(lamp, False, self._emulator.now)

    def mend(self) -> None:
        """Everything follows the relays again, which are open."""
        for lamp in self._welded:
            self._draw(lamp, False, self._emulator.now)
        self._welded.clear()
        self._burnt.clear()

    def _switch(self, lamp: int, closed: bool, at: int) -> None:
        closed = closed or lamp in self._welded
        self._draw(lamp, closed and lamp not in self._burnt, at + self._delay_ns)

    def _draw(self, lamp: int, lit: bool, at: int) -> None:
        if lit != self._lit[lamp]:
            self._lit[lamp] = lit
            self.changes.append((at, lamp, lit))
            self._emulator.set_pin(SENSORS[lamp], int(lit), max(at, self._emulator.now))


class Master:
    """Controller or monitor: it answers each picture with what `say()`, asked every 100 ms, returned last: a kind of
    message and its values. A change is sent at once.

    `shown`: the node's last picture; `pictures`: how many came. `silent`: it says nothing.
    """

    def __init__(self, emulator: Emulator, name: str, key: bytes, say: Callable[[], tuple[object, ...]], place: bytes):
        self.shown: Shown | None = None
        self.pictures = 0
        self.silent = False
        self.last_ns = 0
        self._emulator = emulator
        self._uart = UARTS[name]
        self._key = Hmac(key)
        self._end = End(self._key, place, name.encode()[:NONCE_SIZE].ljust(NONCE_SIZE), Shown)
        self._say = say
        self._said: tuple[object, ...] = ()
        self._decoder = frame.FrameDecoder()
        self._due = 0

    def see(self, event: Event) -> None:
        if isinstance(event, Reset):
            self._decoder = frame.FrameDecoder()
        if isinstance(event, UartByte) and event.uart == self._uart:
            for raw in self._decoder.feed(bytes((event.value,))):
                self.shown = unseal(raw, self._key)
                self._end.hear(event.at // _MS, raw)
                self.pictures += 1

    def settle(self, now_ns: int) -> None:
        changed = False
        if now_ns >= self._due:
            self._due = now_ns + _EVERY_NS
            said = self._say()
            changed, self._said = said != self._said, said
        if (changed or self._end.waiting) and self._said and not self.silent:
            message = frame.encode(self._end.say(now_ns // _MS, *self._said))
            self.last_ns = self._emulator.send_uart(self._uart, message, BAUD)


class SignalBench:
    """The bench with one node on it; `said` is what each master says."""

    def __init__(
        self, image: Path, keys: dict[str, bytes], said: dict[str, Callable[[], tuple[object, ...]]], place: bytes
    ):
        """place: wayside_wire.signal_matrix.place() of the matrix that the node is given."""
        self.board = Emulator(image)
        self.relays = Relays(self.board, delay_ns=10_000_000)
        self.controller, self.monitor = (Master(self.board, name, keys[name], said[name], place) for name in UARTS)
        self.world = World(self.board, self.relays, self.controller, self.monitor)
        self.repl = NodeRepl(self.world)

    def provision(self, config: dict[str, Any], matrix: bytes) -> None:
        """As a technician does: configuration and signed matrix over the console."""
        self.repl.wait(b">>> ")
        self.repl.enter()
        self.repl.write_file("/matrix", matrix)
        self.repl.write_file("/signal.json", json.dumps(config).encode())

    def start(self) -> None:
        """Switch the board off and on."""
        self.board.cut_power()
        self.board.restore_power(self.board.now + 100_000_000)
        self.world.run_for(100_000_000)

    def __enter__(self) -> "SignalBench":
        return self

    def __exit__(self, *_: object) -> None:
        self.board.close()

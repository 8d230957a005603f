"""Controller, monitor and signal node in one process and one invented time: real code, lines made of lists."""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from signals.bench_head import KEYS
from wayside.control.head_line import HeadLine
from wayside.control.monitor.latch import ask_reset
from wayside.control.monitor.monitor import Monitor
from wayside.control.monitor.watched import Watched
from wayside.control.signals.channels import draft_matrix
from wayside.control.signals.controller import Controller
from wayside.control.signals.loader import load
from wayside.control.signals.site import Site
from wayside.values.reading import TimeQuality
from wayside_signal.head import SignalHead
from wayside_wire import frame, signal_matrix
from wayside_wire.mac import Hmac
from wayside_wire.signal_frames import AMBER, DARK, FAULT, FLASH, GREEN, NO_FAULT, RED

STEP_MS = 20
SITE = load(Path(__file__).parent / "bench_site.toml")
MATRIX = signal_matrix.parse(draft_matrix(SITE.name, SITE.junction))
START_MS = 1_795_431_600_000


class Line:
    """One direction of a serial line; `fault` is what it does to a frame: the bytes that arrive instead."""

    def __init__(self) -> None:
        self.fault: Callable[[bytes], bytes] = lambda data: data
        self.waiting = bytearray()
        self.passed: deque[bytes] = deque(maxlen=50)

    def put(self, data: bytes) -> None:
        self.passed.append(data)
        self.waiting += self.fault(data)

    def take(self) -> bytes:
        data = bytes(self.waiting)
        self.waiting.clear()
        return data


class End:
    """A master's port over two lines."""

    def __init__(self, out: Line, back: Line):
        self._out, self._back = out, back

    def fileno(self) -> int:
        raise AssertionError("nobody selects here")

    def read(self, _size: int) -> bytes:
        return self._back.take()

    def write(self, data: bytes) -> int:
        self._out.put(data)
        return len(data)


class Disk:
    """Takes journal and events, and keeps nothing. `failure` as an Appender has it."""

    failure = ""

    def add(self, *_: object) -> None: ...

    def tick(self, *_: object) -> None: ...


class World:
    """Everything, `now_ms` after the start. Parties that are None are dead; `stopped` ones do not get on."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.now_ms = 0
        self.jumped_ms = 0
        self.inputs = bytes(3)
        self.drawn: Callable[[bytes], bytes] = lambda lamps: lamps
        self.disk = Disk()
        self.lines = {name: (Line(), Line()) for name in KEYS}
        self.stopped: set[str] = set()
        self.kept = "", NO_FAULT
        self.starts: tuple[int, ...] = ()
        self.chance = random.Random(0)
        self.witness = Witness()
        self.node: SignalHead | None = None
        self.controller: Controller | None = None
        self.monitor: Monitor | None = None
        for party in ("node", *KEYS):
            self.start(party)

    # Clock, as the controller sees it.

    def utc_ms(self) -> int:
        return START_MS + self.now_ms + self.jumped_ms

    def monotonic(self) -> float:
        return self.now_ms / 1000

    def time_quality(self) -> TimeQuality:
        return TimeQuality.SYNCED

    def start(self, party: str, site: Site = SITE) -> None:
        """A party that begins anew, with what it keeps on disk."""
        self.stopped.discard(party)
        if party == "node":
            keys = [Hmac(KEYS[name]) for name in KEYS]
            self.node = SignalHead(MATRIX, self.chance.randbytes, *keys, *self.kept, self.starts)
            self.decoders = {name: frame.FrameDecoder() for name in KEYS}
        elif party == "controller":
            line = HeadLine(End(*self.lines[party]), KEYS[party], MATRIX.place)
            self.controller = Controller(site, line, self, self.disk, self.disk, self.disk, lambda text: None)
        else:
            line = HeadLine(End(*self.lines[party]), KEYS[party], MATRIX.place)
            self.monitor = Monitor(
                MATRIX, line, self.folder, self.disk, Watched(self.folder, self.disk.add), lambda text: None
            )

    def kill(self, party: str) -> None:
        setattr(self, party, None)

    @property
    def lamps(self) -> bytes:
        """What is switched; a dead or stopped node leaves flash, as its relays fall off."""
        return self.node.lamps if self.node and "node" not in self.stopped else MATRIX.flash()

    def run(self, duration_ms: int) -> None:
        for _ in range(duration_ms // STEP_MS):
            self.now_ms += STEP_MS
            self._step()
            self.witness.see(self.now_ms, self.lamps)

    def _step(self) -> None:
        tenth = self.now_ms % 100
        if self.controller and "controller" not in self.stopped:
            (self.controller.tick if tenth == 40 else self.controller.hear)(self.monotonic())
        if self.monitor and "monitor" not in self.stopped:
            self.monitor.tick(self.monotonic())
        if self.node and "node" not in self.stopped:
            self._step_node(self.node, tenth)

    def _step_node(self, node: SignalHead, tenth: int) -> None:
        for name, take in (("controller", node.take_order), ("monitor", node.take_permit)):
            for raw in self.decoders[name].feed(self.lines[name][0].take()):
                take(self.now_ms, raw)
        drawn = self.drawn(node.lamps)
        node.tick(self.now_ms, drawn)
        self.kept = (node.reason, node.fault_id) if node.mode == FAULT else ("", NO_FAULT)
        self.starts = node.starts
        if tenth == 0:
            for name, master in (("controller", node.controller), ("monitor", node.monitor)):
                self.lines[name][1].put(frame.encode(node.shown(self.now_ms, master, drawn, self.inputs)))

    def reset(self) -> str:
        """By hand, as `wayside signals reset`."""
        return ask_reset(self.folder)

    def mend(self) -> None:
        """Everything is as it should be again, faults apart."""
        for out, back in self.lines.values():
            out.fault = back.fault = lambda data: data
        self.drawn = lambda lamps: lamps
        self.disk.failure = ""
        for party in ("node", *KEYS):
            if getattr(self, party) is None or party in self.stopped:
                self.start(party)


class Witness:
    """Reads lamps, and says what must not be; it shares no code with core and judge."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.greens: set[int] = set()
        self._before = MATRIX.flash()
        self._since = [0] * len(MATRIX.channels)
        self._green_ended: dict[int, int] = {}

    def see(self, now_ms: int, lamps: bytes) -> None:
        if lamps == MATRIX.flash():
            self._before, self._green_ended = lamps, {}
            self._flash_ended = now_ms
            return
        go = [number for number, lamp in enumerate(lamps) if lamp not in (RED, RED | FLASH, DARK)]
        for pair in MATRIX.clearance:
            if set(pair) <= set(go):
                self.complaints.append(f"conflict {pair} at {now_ms}")
        for number, (old, new) in enumerate(zip(self._before, lamps, strict=True)):
            if old == new:
                continue
            shown_ms = now_ms - self._since[number]
            self._since[number] = now_ms
            vehicle = MATRIX.channels[number].kind == signal_matrix.VEHICLE
            if old == GREEN:
                self._green_ended[number] = now_ms
                if vehicle and new != AMBER:
                    self.complaints.append(f"no yellow on {number} at {now_ms}")
            if old == AMBER and shown_ms < 2700:
                self.complaints.append(f"yellow of {shown_ms} ms on {number} at {now_ms}")
            if new == GREEN:
                self.greens.add(number)
                self._began(now_ms, number)
        self._before = lamps

    def _began(self, now_ms: int, number: int) -> None:
        for (other, own), clearance_ms in MATRIX.clearance.items():
            ended = self._green_ended.get(other, self._flash_ended)
            if own == number and now_ms - ended < clearance_ms - 300:
                self.complaints.append(f"{number} green {now_ms - ended} ms after {other} at {now_ms}")


def reckless_site() -> Site:
    """A junction file that calls everything compatible: what the controller must not get away with."""
    names = [group.name for group in SITE.junction.groups]
    everything = frozenset(frozenset((a, b)) for a in names for b in names if a != b)
    junction = replace(SITE.junction, intergreen={}, compatible=everything, stages=(tuple(names),))
    return replace(SITE, junction=junction, rings=None)

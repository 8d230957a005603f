"""The monitor alone, on a line whose other end the test is: what it permits, what it stops, what it keeps."""

from pathlib import Path
from typing import Any

from signals.bench_world import MATRIX
from wayside.control.head_line import HeadLine
from wayside.control.monitor.monitor import Monitor
from wayside.control.monitor.watched import Watched
from wayside.evidence.kinds import Decision
from wayside_wire import frame
from wayside_wire.mac import Hmac
from wayside_wire.signal_frames import FINE, FLASHING, GREEN, RED, RUNNING, STOP, WAIT, Permit, Shown
from wayside_wire.signal_line import End

KEY = b"m" * 32
FLASH = MATRIX.flash()
ALL_RED = bytes([RED] * 4)
NS = bytes([GREEN, RED, RED, RED])


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


class Bench:
    """A monitor, and a node that shows what the test says; `heard`: the verdicts that came, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now_ms = 0
        self.heard: list[int] = []
        self.said: list[str] = []
        self.entries: list[Any] = []
        self.node = End(Hmac(KEY), b"node....", Permit)
        self._decoder = frame.Decoder()
        self._waiting = b""
        self.start()

    def start(self) -> None:
        watched = Watched(self.folder, append)
        self.monitor = Monitor(MATRIX, HeadLine(self, KEY), self.folder, self, watched, self.said.append)  # type: ignore[arg-type]

    def add(self, body: Decision) -> None:
        self.entries.append(body)

    def fileno(self) -> int:
        raise AssertionError

    def read(self, size: int) -> bytes:
        data, self._waiting = self._waiting, b""
        return data

    def write(self, data: bytes) -> int:
        (raw,) = self._decoder.feed(data)
        if permit := self.node.hear(self.now_ms, raw):
            self.heard.append(permit.verdict)
        return len(data)

    def show(self, lamps: bytes, duration_ms: int, switched: bytes | None = None, **changes: Any) -> int:
        """A picture every 100 ms; the last verdict."""
        for _ in range(duration_ms // 100):
            mode = FLASHING if lamps == FLASH else RUNNING
            values = {"mode": mode, "reason": "", "switched": switched or lamps, "lamps": lamps, "inputs": b""}
            values |= changes
            self._waiting = frame.encode(self.node.say(self.now_ms, Shown, *values.values()))
            self.monitor.tick(self.now_ms / 1000)
            self.now_ms += 100
        return self.heard[-1]

    def begin(self) -> None:
        assert self.show(FLASH, 1000) == FINE
        assert self.show(ALL_RED, 5000) == FINE


def test_it_permits_behind_flash_alone_and_nothing_that_it_has_not_seen(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert bench.show(ALL_RED, 1000) == WAIT
    bench.begin()
    bench.heard.clear()
    bench.now_ms += 400  # nothing came
    bench.monitor.tick(bench.now_ms / 1000)
    assert not bench.heard
    assert bench.show(ALL_RED, 500) == WAIT


def test_lamps_that_follow_nobody_are_a_fault(tmp_path: Path) -> None:
    """The node's sensors say red for ever: no conflict would ever be seen."""
    bench = Bench(tmp_path)
    bench.begin()
    assert bench.show(ALL_RED, 1000, switched=NS) == FINE
    assert bench.show(ALL_RED, 200, switched=NS) == STOP
    assert bench.monitor.fault == "FIELD: channel 1 (ns) draws R where G is switched"


def test_what_was_not_seen_is_not_counted(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.begin()
    for _ in range(3):
        bench.show(ALL_RED, 500, switched=NS)
        bench.now_ms += 5000
        bench.monitor.tick(bench.now_ms / 1000)
    assert not bench.monitor.fault


def test_minutes_of_watching_outlive_starts_and_never_run_fast(tmp_path: Path) -> None:
    watched = Watched(tmp_path, append)
    assert [watched.minutes(second) for second in (1000.0, 1059.0, 1060.0, 1000 + 25 * 60.0)] == [0, 0, 1, 25]
    for _ in range(3):  # what was not written is lost
        watched = Watched(tmp_path, append)
        assert [watched.minutes(5.0), watched.minutes(5 + 9 * 60.0)] == [25, 34]
    for spoilt, minutes in ((b"x", 25), (b"00000000040", 25), (b"\xff" * 11 + b"\n", 25), (b"00000000040\n", 40)):
        with (tmp_path / "watched").open("wb") as file:
            file.write(b"00000000025\n" + spoilt)
        assert Watched(tmp_path, append).minutes(5.0) == minutes
    (tmp_path / "watched").write_bytes(b"")
    assert Watched(tmp_path, append).minutes(5.0) == 0

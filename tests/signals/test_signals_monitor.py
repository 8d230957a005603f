"""The monitor alone, on a line whose other end the test is: what it permits, what it stops, what it keeps."""

from pathlib import Path
from typing import Any

import pytest
from signals.bench_world import MATRIX
from wayside.control.head_line import HeadLine
from wayside.control.monitor.latch import ask_reset
from wayside.control.monitor.monitor import Monitor
from wayside.control.monitor.watched import Watched
from wayside.evidence.kinds import DecisionBody
from wayside_wire import frame
from wayside_wire.mac import Hmac
from wayside_wire.signal_frames import (
    FAULT,
    FINE,
    FLASHING,
    GREEN,
    NO_FAULT,
    RED,
    RESET,
    RUNNING,
    STOP,
    WAIT,
    Permit,
    Shown,
)
from wayside_wire.signal_line import End
from wayside_wire.signal_matrix import place

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
        self.resets: set[bytes] = set()
        self.said: list[str] = []
        self.entries: list[Any] = []
        self.node = End(Hmac(KEY), MATRIX.place, b"node....", Permit)
        self._decoder = frame.FrameDecoder()
        self._waiting = b""
        self.start()

    def start(self) -> None:
        watched = Watched(self.folder, append)
        self.monitor = Monitor(MATRIX, HeadLine(self, KEY, MATRIX.place), self.folder, self, watched, self.said.append)  # type: ignore[arg-type]

    def add(self, body: DecisionBody) -> None:
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
            if permit.verdict == RESET:
                self.resets.add(permit.fault)
        return len(data)

    def show(self, lamps: bytes, duration_ms: int, switched: bytes | None = None, **changes: Any) -> int:
        """A picture every 100 ms; the last verdict."""
        for _ in range(duration_ms // 100):
            mode = FLASHING if lamps == FLASH else RUNNING
            values = {"mode": mode, "fault": NO_FAULT, "reason": "", "matrix": MATRIX.digest}
            values |= {"switched": switched or lamps, "lamps": lamps, "inputs": b""} | changes
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


ONE, OTHER = b"fault 1.", b"fault 2."


def fail(bench: Bench, fault: bytes, duration_ms: int = 500, reason: str = "lamps: CONFLICT") -> int:
    return bench.show(FLASH, duration_ms, mode=FAULT, fault=fault, reason=reason)


def test_a_reset_is_for_the_fault_that_was_seen(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.begin()
    assert fail(bench, ONE) == STOP
    assert bench.monitor.fault == ask_reset(tmp_path) == "the node says: lamps: CONFLICT"
    bench.heard.clear()
    assert fail(bench, ONE) == RESET and bench.resets == {ONE}  # the node's pictures are a little older than its faults
    assert bench.show(FLASH, 1000) == FINE
    assert fail(bench, OTHER) == STOP, "another fault, however soon"
    assert bench.resets == {ONE}


def test_a_fault_behind_the_reset_of_another_stays(tmp_path: Path) -> None:
    """The same words, within the second in which the reset is said, and over starts of the monitor."""
    bench = Bench(tmp_path)
    bench.begin()
    fail(bench, ONE)
    ask_reset(tmp_path)
    asked = (tmp_path / "reset").read_text()
    assert fail(bench, ONE, 200) == RESET
    assert fail(bench, OTHER) == STOP
    (tmp_path / "reset").write_text(asked)  # a disk that kept it, or somebody who copied it back
    assert fail(bench, OTHER) == STOP
    bench.start()
    assert fail(bench, OTHER) == STOP and bench.monitor.fault == "the node says: lamps: CONFLICT"
    ask_reset(tmp_path)
    assert fail(bench, OTHER) == RESET
    assert fail(bench, OTHER, 2000) == STOP, "it did not follow"


def test_a_reset_waits_for_the_node(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.begin()
    fail(bench, ONE)
    bench.now_ms += 1000
    ask_reset(tmp_path)
    bench.monitor.tick(bench.now_ms / 1000)
    assert bench.monitor.fault
    assert fail(bench, ONE) == RESET and bench.resets == {ONE}


def test_the_node_has_its_own_words_for_the_monitors_stop(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.begin()
    bench.show(bytes([GREEN, GREEN, RED, RED]), 500)
    assert fail(bench, ONE, reason="stopped by the monitor") == STOP
    assert bench.monitor.fault.startswith("CONFLICT") and len(bench.entries) == 1
    assert ask_reset(tmp_path)
    assert fail(bench, ONE) == RESET and bench.resets == {ONE}


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"lamps: CONFLICT", b"0123456789abcdef torn"])
def test_only_what_is_not_there_is_no_fault(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "fault").write_bytes(content)
    bench = Bench(tmp_path)
    assert bench.show(FLASH, 500) == STOP and bench.monitor.fault
    assert ask_reset(tmp_path)
    assert bench.show(FLASH, 500) == RESET and not (tmp_path / "fault").exists()


def test_a_fault_that_cannot_be_read_is_one_until_it_can(tmp_path: Path) -> None:
    (tmp_path / "fault").mkdir()
    bench = Bench(tmp_path)
    assert bench.show(FLASH, 500) == STOP
    assert "cannot be read" in bench.monitor.fault
    with pytest.raises(IsADirectoryError):
        ask_reset(tmp_path)
    (tmp_path / "reset").write_text("")
    assert bench.show(FLASH, 500) == STOP
    (tmp_path / "fault").rmdir()
    (tmp_path / "fault").write_bytes(b"0123456789abcdef 0000000000000000 CONFLICT")
    assert ask_reset(tmp_path) == "CONFLICT"
    assert bench.show(FLASH, 500) == RESET


def test_a_fault_that_the_disk_refused_is_kept_when_it_can(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.begin()
    (tmp_path / "fault").mkdir()
    assert fail(bench, ONE, 3000) == STOP
    assert any("cannot be kept" in each for each in bench.said)
    (tmp_path / "fault").rmdir()
    assert fail(bench, ONE, 2000) == STOP
    assert ask_reset(tmp_path) == bench.monitor.fault
    (tmp_path / "fault").unlink()
    (tmp_path / "fault").mkdir()
    assert fail(bench, ONE, 2000) == STOP, "a reset that the disk refuses is none"


def test_a_node_with_another_matrix_or_of_another_version_is_not_permitted(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert bench.show(FLASH, 1000, matrix=b"other...") == WAIT
    assert bench.said[-1].startswith("the node has another matrix of this version")
    bench.begin()
    bench.node = End(Hmac(KEY), place(MATRIX.junction, MATRIX.version + 1), b"node....", Permit)
    bench.heard = [WAIT]
    bench.show(FLASH, 1000)
    assert bench.heard == [WAIT] and bench.said[-1].startswith("the node is of another junction or version")


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

"""kill -9 loses polls that no number misses: the first entries after a start say from when to when, for each device."""

import asyncio
import signal
import sqlite3
import sys
import time
from bisect import bisect_right
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from site_daemon import entries, packs, running
from waiting import until
from wayside.daemon.daemon import Daemon
from wayside.daemon.status import snapshot
from wayside.evidence.bundle import write_bundle
from wayside.evidence.certificate import Trust
from wayside.evidence.entry import encode_unplaced
from wayside.evidence.kinds import NOT_CERTAIN, NOT_RECORDED, DeviceBody, PackBody
from wayside.evidence.note import parse_key
from wayside.evidence.stream import device_stream
from wayside.evidence.verify import verify_bundle
from wayside.lab.plant import Sdm630, answer_for, serve_tcp
from wayside.log import Append, Log, LogReader
from wayside.runtime.clock import SystemClock
from wayside.runtime.supervise import background
from wayside.site import config
from wayside.site import unrecorded as module
from wayside.site.state import run_note
from wayside.site.unrecorded import unrecorded
from wayside.trust.keys import SoftwareKey
from wayside.values.reading import TimeQuality
from wayside_wire.modbus import READ_INPUT

SITE = """
[site]
name = "test.example"
state = "state"
[log]
commit_ms = 400
[[bus]]
name = "cabinet"
endpoint = "tcp://127.0.0.1:{port}"
[[bus.device]]
name = "meter-1"
unit = 1
profile = "eastron-sdm630"
poll_ms = 50
report_ms = 50
channels = ["voltage_l1"]
"""
METER_2 = """
[[bus.device]]
name = "meter-2"
unit = 2
profile = "eastron-sdm630"
channels = ["voltage_l2"]
"""


def open_log(folder: Path) -> Log:
    key = SoftwareKey(bytes(range(32)))
    return Log(folder / "log", "test.example", key.public, key.sign, lambda: (1, 2))


def stretches(folder: Path, device: str = "meter-1") -> list[tuple[int, int]]:
    """(from, to) of each time that nothing was recorded."""
    found = []
    for entry in entries(folder):
        if isinstance(entry.body, DeviceBody) and entry.body.event == NOT_RECORDED:
            assert entry.body.last_good_ms is not None
            if entry.stream == device_stream(device):
                found.append((entry.body.last_good_ms, entry.logged_at_ms))
    return found


def test_every_poll_that_a_kill_loses_lies_in_a_time_that_an_entry_names(tmp_path: Path):
    """Also of a gateway that is killed before its first commit."""
    answered: list[int] = []
    answer = answer_for({1: Sdm630(1)})

    def counted(request: bytes) -> bytes | None:
        if request[1] == READ_INPUT:  # and not its serial number
            answered.append(time.time_ns() // 1_000_000)
        return answer(request)

    async def scenario() -> None:
        path = tmp_path / "site.toml"
        async with serve_tcp(counted) as port:
            path.write_text(SITE.format(port=port))
            for count, how in ((5, signal.SIGKILL), (45, signal.SIGKILL), (50, signal.SIGKILL), (10, signal.SIGTERM)):
                wanted = len(answered) + count
                gateway = await asyncio.create_subprocess_exec(sys.executable, "-m", "wayside", "run", path)
                await until(lambda wanted=wanted: len(answered) >= wanted)  # type: ignore[misc]
                gateway.send_signal(how)
                await gateway.wait()

    asyncio.run(scenario())
    recorded = [reading.time_ms for pack in packs(tmp_path, "meter-1") for reading in pack.readings]
    kept = {bisect_right(answered, time_ms) - 1 for time_ms in recorded}
    lost = [at for place, at in enumerate(answered) if place not in kept]
    named = stretches(tmp_path)
    assert len(named) == 3 and len(lost) >= 5, "one for each start but the first"
    silent = [at for at in lost if not any(first <= at <= end for first, end in named)]
    # The very last poll may have been answered and not taken when the gateway was asked to stop.
    assert silent in ([], [answered[-1]])


def test_the_verifier_shows_it_and_no_pack_is_missing(tmp_path: Path):
    async def scenario() -> None:
        async with serve_tcp(answer_for({1: Sdm630(1), 2: Sdm630(2)})) as port:
            for _ in range(2):
                async with running(tmp_path, SITE.format(port=port)) as daemon:
                    await until(lambda daemon=daemon: daemon.intake.counters["packs"] > 3)  # type: ignore[misc]

    asyncio.run(scenario())
    log = LogReader(tmp_path / "state" / "log")
    key = run_note(tmp_path / "site.toml").read_text().split("log's key: ")[1].split("\n")[0]
    _, findings = verify_bundle(write_bundle(tmp_path / "all", log), Trust.in_key(parse_key(key)))
    log.close()
    [told] = [each for each in findings if each.check == "sequence"]
    assert told.holds and told.facts["state"] == "COMPLETE" and len(told.facts["not_recorded"]) == 1
    assert "not recorded: 20" in told.text


def test_a_device_that_comes_back_to_the_site_file_is_told_of(tmp_path: Path):
    async def scenario() -> None:
        async with serve_tcp(answer_for({1: Sdm630(1), 2: Sdm630(2)})) as port:
            one, both = SITE.format(port=port), SITE.format(port=port) + METER_2
            path = tmp_path / "site.toml"
            async with running(tmp_path, both) as daemon:
                for text in (one, both):
                    await until(lambda: len(daemon.image.snapshot) == 1 + (text is one), text)  # noqa: B023
                    await daemon.committer.commit([])
                    path.write_text(text)
                    await daemon.apply(config.load(path), text.encode())

    asyncio.run(scenario())
    assert len(stretches(tmp_path, "meter-2")) == 1 and not stretches(tmp_path)


def test_it_is_known_over_an_epoch_and_of_no_device_that_was_never_read(tmp_path: Path):
    async def scenario() -> None:
        async with serve_tcp(answer_for({1: Sdm630(1), 2: Sdm630(2)})) as port:
            async with running(tmp_path, SITE.format(port=port)) as daemon:
                await until(lambda: daemon.intake.counters["packs"] > 3)
            (tmp_path / "state" / "log" / "epoch-0.signed").unlink()
            async with running(tmp_path, SITE.format(port=port) + METER_2):
                pass

    asyncio.run(scenario())
    log = LogReader(tmp_path / "state" / "log")
    assert log.epoch == 1
    log.close()
    assert not stretches(tmp_path, "meter-2")


class SetClock(SystemClock):
    """Begins at `now_ms`, and is set right by hand."""

    def __init__(self, now_ms: int, quality: TimeQuality):
        super().__init__()
        self.quality = quality
        self._ahead_ms = now_ms - super().utc_ms()

    def utc_ms(self) -> int:
        return super().utc_ms() + self._ahead_ms

    def set_right(self, now_ms: int) -> None:
        self._ahead_ms, self.quality = now_ms - super().utc_ms(), TimeQuality.SYNCED

    def time_quality(self) -> TimeQuality:
        return self.quality


@pytest.mark.parametrize("wrong_ms", [20_000, 1_900_000_003_000], ids=["1970", "as if no time had gone"])
def test_an_end_by_a_clock_that_is_not_right_is_no_certain_one_and_said_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong_ms: int
):
    """Ten hours off, and no clock that goes on meanwhile: it said three seconds, or a time before the begin."""
    monkeypatch.setattr(module, "_LOOK_EVERY_S", 0.01)
    begin_ms, hours_ms = 1_900_000_000_000, 36_000_000

    async def scenario() -> None:
        path = tmp_path / "site.toml"

        async with serve_tcp(answer_for({1: Sdm630(1)})) as port:
            path.write_text(SITE.format(port=port))
            for clock in (SetClock(begin_ms, TimeQuality.SYNCED), SetClock(wrong_ms, TimeQuality.HOLDOVER)):
                daemon = Daemon(config.load(path), path, clock)
                async with background(daemon.run):
                    await until(lambda daemon=daemon: daemon.intake.counters["packs"] > 3)  # type: ignore[misc]
                    if clock.quality != TimeQuality.SYNCED:
                        clock.set_right(begin_ms + hours_ms)
                        await until(lambda: len(stretches(tmp_path)) == 2)

    asyncio.run(scenario())
    (since, said), (again, until_ms) = stretches(tmp_path)
    assert since == again and abs(since - begin_ms) < 60_000 and abs(said - wrong_ms) < 60_000
    assert 0 <= until_ms - begin_ms - hours_ms < 60_000
    told = [
        entry for entry in entries(tmp_path) if isinstance(entry.body, DeviceBody) and entry.body.event == NOT_RECORDED
    ]
    assert [NOT_CERTAIN in entry.body.text for entry in told] == [True, False]
    log = LogReader(tmp_path / "state" / "log")
    key = run_note(tmp_path / "site.toml").read_text().split("log's key: ")[1].split("\n")[0]
    _, findings = verify_bundle(write_bundle(tmp_path / "all", log), Trust.in_key(parse_key(key)))
    log.close()
    [sequence] = [each for each in findings if each.check == "sequence"]
    first, second = sequence.facts["not_recorded"]
    end_ms = datetime.fromisoformat(second.split(" to ")[1].split()[0]).timestamp() * 1000
    assert -60_000 < end_ms - begin_ms - hours_ms <= 0, "counted back from the right time to the start"
    assert "not certain: at the end the clock was not synchronised" in first and "not certain" not in second


def test_a_begin_that_is_not_certain_stays_so(tmp_path: Path):
    async def scenario() -> None:
        path = tmp_path / "site.toml"
        async with serve_tcp(answer_for({1: Sdm630(1)})) as port:
            path.write_text(SITE.format(port=port))
            for quality in (TimeQuality.UNSYNCED, TimeQuality.SYNCED, TimeQuality.SYNCED):
                daemon = Daemon(config.load(path), path, SetClock(1_900_000_000_000, quality))
                async with background(daemon.run):
                    await daemon.ready.wait()
                    if quality == TimeQuality.UNSYNCED:
                        await until(lambda daemon=daemon: daemon.intake.counters["packs"] > 3)  # type: ignore[misc]

    asyncio.run(scenario())
    texts = [entry.body.text for entry in entries(tmp_path) if isinstance(entry.body, DeviceBody)]
    told = [text for text in texts if "nothing of it was recorded" in text]
    assert len(told) == 2 and all("at the begin the clock was not synchronised" in text for text in told)


@pytest.mark.parametrize("spoil", [b"\xff\xff", b""], ids=["of its own", "of the pack in it"])
def test_a_rotten_entry_stops_no_start(tmp_path: Path, spoil: bytes):
    with closing(open_log(tmp_path)) as log:
        good = encode_unplaced(5000, 2, DeviceBody("back", "", None))
        log.append_entries([Append(device_stream("meter-1"), good)])
        bad = encode_unplaced(6000, 2, PackBody("gateway", b"no pack"))
        log.append_entries([Append(device_stream("meter-1"), bad)])
        if spoil:
            with sqlite3.connect(tmp_path / "log" / "epoch-0.sqlite") as database:
                database.execute("UPDATE entry SET data = ? WHERE idx = 1", (spoil,))
        [silence] = unrecorded(log, ["meter-1"], SystemClock())
    assert silence.since_ms == (5000 if spoil else 6000)


def test_an_index_that_is_rotten_keeps_no_gateway_from_starting(tmp_path: Path):
    """The epoch ends. It opens all the same, and what the next one asks it for cannot be read."""

    async def scenario() -> None:
        async with serve_tcp(answer_for({1: Sdm630(1)})) as port:
            async with running(tmp_path, SITE.format(port=port)) as daemon:
                await until(lambda: daemon.intake.counters["packs"] > 3)
            path = tmp_path / "state" / "log" / "epoch-0.sqlite"
            with closing(sqlite3.connect(path)) as db:
                (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'entry_place'").fetchone()
            with path.open("r+b") as database:
                database.seek((page - 1) * 4096)
                database.write(b"\x55" * 4096)
            async with running(tmp_path, SITE.format(port=port)) as daemon:
                assert snapshot(daemon.parts)["log"]["origin"] == "test.example/log/1"

    asyncio.run(scenario())


def test_devices_that_keep_their_own_reports_are_not_among_them(tmp_path: Path):
    path = tmp_path / "site.toml"
    node = f'[[node]]\nname = "n"\nport = "/dev/x"\ndevices = ["d"]\npublic_key = "{"01" * 32}"\n'
    path.write_text(SITE.format(port=1) + METER_2 + node)
    assert config.load(path).read_by_gateway() == ["meter-1", "meter-2"]

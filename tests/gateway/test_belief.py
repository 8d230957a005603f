"""A clock that calls itself synchronised and leaps: nothing is erased by it until a person says that it is right."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from site_daemon import entries
from waiting import until
from wayside.cli import main
from wayside.daemon.daemon import Daemon
from wayside.daemon.status import snapshot
from wayside.evidence.entry import decode_entry, encode_unplaced
from wayside.evidence.kinds import CommandBody, DeviceBody, RetentionBody
from wayside.evidence.stream import device_stream
from wayside.intake.belief import EARLIEST_MS, Belief
from wayside.intake.expiry import Expiry
from wayside.kinds import retention
from wayside.log import Append, Log, LogReader
from wayside.log.retention import RetentionPolicy, expire
from wayside.site import config
from wayside.trust.keys import SoftwareKey
from wayside.values.reading import TimeQuality

KEY = SoftwareKey(bytes(range(32)))
NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000
GPS_WEEKS_MS = 1024 * 7 * DAY_MS
METER = device_stream("meter-1")


class Leaping:
    """A clock that calls itself synchronised, whatever it says."""

    def __init__(self, now_ms: int = NOW_MS):
        self.now_ms = now_ms
        self.passed_s = 0.0
        self.quality = TimeQuality.SYNCED

    def utc_ms(self) -> int:
        return self.now_ms

    def monotonic(self) -> float:
        return self.passed_s

    def time_quality(self) -> TimeQuality:
        return self.quality

    def wait(self, ms: int) -> None:
        self.now_ms += ms
        self.passed_s += ms / 1000


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with closing(open_log(tmp_path / "log")) as made:
        yield made


def open_log(folder: Path) -> Log:
    return Log(folder, "test.example", KEY.public, KEY.sign, lambda: (NOW_MS, 2))


def stamped(log: Log, *times_ms: int, quality: int = 2) -> None:
    log.append_entries(
        [Append(METER, encode_unplaced(each, quality, DeviceBody("back", "it answers", None))) for each in times_ms]
    )


@pytest.mark.parametrize("leap_ms", [GPS_WEEKS_MS, -GPS_WEEKS_MS, 20 * 365 * DAY_MS, 2 * DAY_MS, -2 * DAY_MS])
def test_a_leap_is_not_believed_until_it_is_undone_or_confirmed(log: Log, leap_ms: int):
    clock = Leaping()
    belief = Belief(clock, log)
    assert belief.quality(log) == TimeQuality.SYNCED and not belief.problem
    clock.wait(60_000)
    clock.now_ms += leap_ms
    assert belief.quality(log) == TimeQuality.HOLDOVER
    assert "nothing is erased by age" in belief.problem and "wayside clock SITE --confirm" in belief.problem
    clock.now_ms -= leap_ms
    clock.wait(60_000)
    assert belief.quality(log) == TimeQuality.SYNCED and not belief.problem
    clock.now_ms += leap_ms
    belief.confirm(log)
    believed = clock.now_ms >= EARLIEST_MS
    clock.wait(60_000)
    assert (belief.quality(log) == TimeQuality.SYNCED) is believed


@pytest.mark.parametrize(
    ("off_ms", "believed"), [(DAY_MS, True), (30 * DAY_MS, True), (400 * DAY_MS, False), (GPS_WEEKS_MS, False)]
)
@pytest.mark.parametrize("is_noted", [True, False])
def test_over_a_restart_it_may_have_been_off_for_a_month(log: Log, off_ms: int, believed: bool, is_noted: bool):
    """What was believed last is noted; a log of before that has its entries' times."""
    stamped(log, NOW_MS)
    clock = Leaping()
    if is_noted:
        Belief(clock, log).quality(log)
    clock.now_ms += off_ms
    stamped(log, clock.now_ms)  # by the clock that is in doubt
    belief = Belief(clock, log)
    assert (belief.quality(log) == TimeQuality.SYNCED) is believed
    belief.confirm(log)
    assert belief.quality(log) == Belief(clock, log).quality(log) == TimeQuality.SYNCED


def test_the_next_epoch_knows_what_was_believed(log: Log, tmp_path: Path):
    clock = Leaping()
    Belief(clock, log).quality(log)
    log.rotate(KEY.public, KEY.sign, lambda: (NOW_MS, 2))
    clock.now_ms += GPS_WEEKS_MS
    assert log.epoch == 1 and Belief(clock, log).quality(log) == TimeQuality.HOLDOVER


def test_a_first_start_believes_any_time_that_can_be(log: Log):
    assert Belief(Leaping(), log).quality(log) == TimeQuality.SYNCED
    assert Belief(Leaping(NOW_MS - GPS_WEEKS_MS), log).quality(log) == TimeQuality.HOLDOVER


def test_a_clock_that_is_not_synchronised_is_not_asked_to_be_confirmed(log: Log):
    clock = Leaping()
    belief = Belief(clock, log)
    belief.quality(log)
    clock.now_ms, clock.quality = 5_000, TimeQuality.HOLDOVER
    assert belief.quality(log) == TimeQuality.HOLDOVER and not belief.problem


@pytest.mark.parametrize("behind_ms", [GPS_WEEKS_MS, 300 * DAY_MS])
def test_what_was_stamped_by_a_clock_that_was_behind_is_no_older_than_what_is_around_it(log: Log, behind_ms: int):
    """Three days of right times, three years or months behind, then right again; kept for ten days."""
    hour_ms = DAY_MS // 24
    right = [NOW_MS + hour * hour_ms for hour in range(72)]
    stamped(log, *right)
    stamped(log, *(NOW_MS - behind_ms + hour * hour_ms for hour in range(72, 144)))
    stamped(log, *(NOW_MS + hour * hour_ms for hour in range(144, 800)))
    for day in range(6, 16):
        expire(log, {METER: RetentionPolicy(max_age_ms=10 * DAY_MS)}, NOW_MS + day * DAY_MS, 2, (), EARLIEST_MS)
        gone = [each.index for each in log.records(0, 800) if not each.salt]
        assert len(gone) <= max(0, day - 10) * 24 + (72 if day > 12 else 0), day
        if day <= 12:
            assert len(gone) <= 72


SITE = """
[site]
name = "test.example"
[[bus]]
name = "cabinet"
endpoint = "tcp://127.0.0.1:1"
[[bus.device]]
name = "meter-1"
unit = 1
profile = "eastron-sdm630"
[[retention]]
devices = ["meter-1"]
days = 30
"""


def test_a_person_sees_it_and_says_that_it_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(retention, "_EVERY_S", 0.01)
    path = tmp_path / "site.toml"
    path.write_text(SITE)
    clock = Leaping()

    async def scenario() -> None:
        daemon = Daemon(config.load(path), path, clock)
        task = asyncio.create_task(daemon.run())
        try:
            await daemon.ready.wait()
            await daemon.committer.call(lambda log: stamped(log, *(NOW_MS + each for each in range(600))))
            await until(lambda: daemon.parts.of(Expiry)[0].passes > 2)
            clock.now_ms += GPS_WEEKS_MS
            await until(lambda: bool(daemon.parts.belief.problem))
            told = snapshot(daemon.parts)
            assert any(each["level"] == "bad" and "--confirm" in each["text"] for each in told["problems"])
            assert await asyncio.to_thread(main, ["clock", str(path)]) == 1
            assert not [each for each in entries(tmp_path) if isinstance(each.body, RetentionBody)]
            assert await asyncio.to_thread(main, ["clock", str(path), "--confirm"]) == 0
            assert await asyncio.to_thread(main, ["clock", str(path), "--confirm"]) == 1
            await until(lambda: daemon.parts.of(Expiry)[0].erased > 0)
            clock.quality = TimeQuality.HOLDOVER
            assert await asyncio.to_thread(main, ["clock", str(path)]) == 1
            assert await asyncio.to_thread(main, ["clock", str(path), "--confirm"]) == 1
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())
    said = capsys.readouterr()
    assert "nothing is erased by age" in said.out and "believed" in said.out
    assert "there is nothing to confirm" in said.err
    assert "holdover: not synchronised: nothing is erased by age" in said.out and "time service" in said.err
    with closing(LogReader(tmp_path / "state" / "log")) as log:
        records = [each for each in log.records(0, log.size) if each.entry]
    bodies = [decode_entry(each.entry).body for each in records]
    assert [each.what for each in bodies if isinstance(each, CommandBody)] == ["confirm clock"]

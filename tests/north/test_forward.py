"""The loop that drives a sink: order, cursor, retries, replay, dead letters. The sinks here fail as they are told."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from north.memory_log import MemoryLog
from north.site import Site
from waiting import running, until
from wayside.log import LogError, StoredEntry
from wayside.net.far_side import FarSideRefused, Rejected, Unreachable
from wayside.north.forward import Forwarder, ForwardLimits
from wayside.north.sink import Batch, Lost

FAST = ForwardLimits(batch_entries=8, retry_most_s=0.002, refused_most_s=0.002, cursor_every_s=0.001, replay_per_s=1e6)


class ScriptedSink:
    """Takes batches; `verdict(batch)` may raise before they are taken, `after(batch)` once they are."""

    def __init__(self, verdict: Callable[[Batch], None] | None = None, after: Callable[[Batch], None] | None = None):
        self.taken: list[Batch] = []
        self.connections = 0
        self.refuse: Exception | None = None
        self.cut = asyncio.Event()
        self._verdict = verdict or (lambda batch: None)
        self._after = after or (lambda batch: None)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Lost]:
        self.connections += 1
        if self.refuse:
            raise self.refuse
        self.cut = asyncio.Event()
        yield self._lost

    async def _lost(self) -> None:
        await self.cut.wait()
        raise Unreachable("cut")

    async def send(self, batch: Batch) -> None:
        await asyncio.sleep(0)
        self._verdict(batch)
        self.taken.append(batch)
        self._after(batch)

    def indices(self) -> list[int]:
        return [record.index for batch in self.taken for record in batch.records]


def entries(count: int) -> list[bytes]:
    return [b"entry %d" % number for number in range(count)]


def test_sends_everything_in_order_and_keeps_the_cursor() -> None:
    async def scenario() -> None:
        log, sink = MemoryLog(), ScriptedSink()
        await log.append(*entries(5))
        async with running(Forwarder("s", sink, log, FAST).run()):
            await until(lambda: len(sink.indices()) == 5)
            await log.append(*entries(3))
            await until(lambda: len(sink.indices()) == 8)
            await until(lambda: log.on_disk.get("s") == 8)
        assert sink.indices() == list(range(8))

    asyncio.run(scenario())


@pytest.mark.parametrize("erased", [{0, 1}, {3, 4, 9}, set(range(12))])
def test_what_retention_has_erased_is_skipped_and_holds_up_nothing(erased: set[int]) -> None:
    async def scenario() -> None:
        log, sink = MemoryLog(), ScriptedSink()
        await log.append(*entries(12))
        for index in erased:
            log.records[index] = StoredEntry(index, b"", b"")
        forwarder = Forwarder("s", sink, log, FAST)
        async with running(forwarder.run()):
            await until(lambda: log.on_disk.get("s") == 12)
        assert sorted(sink.indices()) == [index for index in range(12) if index not in erased]
        for batch in sink.taken:
            assert [record.index for record in batch.records] == list(range(batch.first, batch.end))
        assert forwarder.status.delivered == 12 - len(erased) and not log.buried_for_good

    asyncio.run(scenario())


@pytest.mark.parametrize("at", [20, -1])
def test_what_the_disk_no_longer_gives_as_it_was_logged_is_named_and_not_sent(tmp_path: Path, at: int) -> None:
    """One rotten bit made a value that looked good, or stopped the sink for ever."""

    async def scenario() -> None:
        site = Site(tmp_path)
        site.packs(6)
        with closing(sqlite3.connect(tmp_path / "epoch-0.sqlite")) as disk:
            [(data,)] = disk.execute("SELECT data FROM entry WHERE idx = 3")
            rotten = bytearray(data)
            rotten[at] ^= 0x20
            disk.execute("UPDATE entry SET data = ? WHERE idx = 3", (bytes(rotten),))
            disk.commit()
        sink = ScriptedSink()
        forwarder = Forwarder("s", sink, site, FAST)
        async with running(forwarder.run()):
            await until(lambda: forwarder.lag(7) == 0)
        assert sorted(sink.indices()) == [0, 1, 2, 4, 5, 6]
        assert [(index, reason) for _, index, reason in site.log.dead_letters()] == [(3, "damaged in the log")]
        assert (forwarder.status.delivered, forwarder.status.dead_letters) == (6, 1)

    asyncio.run(scenario())


def test_writes_the_cursor_when_it_is_stopped() -> None:
    async def scenario() -> None:
        log, sink = MemoryLog(), ScriptedSink()
        await log.append(*entries(5))
        async with running(Forwarder("s", sink, log, ForwardLimits(cursor_every_s=3600)).run()):
            await until(lambda: len(sink.indices()) == 5)
            assert log.on_disk == {}
        assert log.on_disk == {"s": 5}

    asyncio.run(scenario())


def test_a_disk_that_takes_no_cursor_does_not_keep_entries_from_leaving() -> None:
    async def scenario() -> None:
        class FullDisk(MemoryLog):
            full = True

            async def set_cursor(self, name: str, index: int) -> None:
                if self.full:
                    raise LogError("database or disk is full")
                await super().set_cursor(name, index)

        log, sink = FullDisk(), ScriptedSink()
        async with running(Forwarder("s", sink, log, FAST).run()):
            for _ in range(3):
                await log.append(b"entry")
                await asyncio.sleep(0.005)
            await until(lambda: sink.indices() == [0, 1, 2])
            log.full = False
            await until(lambda: log.on_disk == {"s": 3})
        assert sink.connections == 1

    asyncio.run(scenario())


def test_an_outage_is_one_line_in_the_log_and_its_end_another(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        log, sink = MemoryLog(), ScriptedSink()
        sink.refuse = Unreachable("no route")
        await log.append(b"one")
        async with running(Forwarder("s", sink, log, FAST).run()):
            await until(lambda: sink.connections > 5)
            sink.refuse = None
            await until(lambda: sink.indices() == [0])

    asyncio.run(scenario())
    assert [record.getMessage() for record in caplog.records] == ["sink s: no route", "sink s: delivers again"]


def test_never_moves_the_cursor_past_what_was_not_taken() -> None:
    async def scenario() -> None:
        def refuse_from_three(batch: Batch) -> None:
            if batch.end > 3:
                raise Unreachable("cut")

        log, sink = MemoryLog(), ScriptedSink(refuse_from_three)
        await log.append(*entries(3))
        async with running(Forwarder("s", sink, log, FAST).run()):
            await until(lambda: log.on_disk.get("s") == 3)
            await log.append(b"never")
            await until(lambda: sink.connections > 5)
        assert log.on_disk == {"s": 3}

    asyncio.run(scenario())


def test_sends_new_entries_before_a_backlog() -> None:
    async def scenario() -> None:
        log, sink = MemoryLog(), ScriptedSink()
        await log.append(*entries(400))
        forwarder = Forwarder("s", sink, log, FAST)
        limits_reached: list[int] = []

        async def slow(seconds: float) -> None:
            limits_reached.append(1)
            await asyncio.sleep(0.001)

        forwarder = Forwarder("s", sink, log, FAST, sleep=slow)
        async with running(forwarder.run()):
            await until(lambda: len(sink.taken) >= 2)
            await log.append(b"new")
            await until(lambda: 400 in sink.indices())
            assert len(sink.indices()) < 400, "the backlog was sent before the new entry"
            assert forwarder.lag(401) > 0
            await until(lambda: forwarder.lag(401) == 0)
            await until(lambda: log.on_disk.get("s") == 401)
        assert sorted(sink.indices()) == list(range(401))
        live = [record.index for batch in sink.taken if not batch.late for record in batch.records]
        assert live == list(range(392, 401)), "the newest batch and what came later, in order"

    asyncio.run(scenario())


def test_limits_the_rate_of_the_replay() -> None:
    async def scenario() -> None:
        clock_s = 0.0
        late_at: list[tuple[float, int]] = []

        async def sleep(seconds: float) -> None:
            nonlocal clock_s
            if seconds == limits.cursor_every_s:
                await asyncio.sleep(3600)
            clock_s += seconds
            await asyncio.sleep(0)

        def note(batch: Batch) -> None:
            if batch.late:
                late_at.append((clock_s, len(batch.records)))

        limits = ForwardLimits(batch_entries=10, replay_per_s=50.0, cursor_every_s=7.0)
        log, sink = MemoryLog(), ScriptedSink(after=note)
        await log.append(*entries(500))
        forwarder = Forwarder("s", sink, log, limits, clock=lambda: clock_s, sleep=sleep)
        async with running(forwarder.run()):
            await until(lambda: forwarder.lag(500) == 0)
        assert late_at[-1][0] == pytest.approx((500 - 10 - 10) / 50.0), "the newest batch is not late"

    asyncio.run(scenario())


def test_buries_only_what_is_rejected_and_says_why() -> None:
    async def scenario() -> None:
        poison = {3, 11}

        def reject(batch: Batch) -> None:
            if poison & {record.index for record in batch.records}:
                raise Rejected("packet too large")

        log, sink = MemoryLog(), ScriptedSink(reject)
        await log.append(*entries(20))
        forwarder = Forwarder("s", sink, log, FAST)
        async with running(forwarder.run()):
            await until(lambda: log.on_disk.get("s") == 20)
        assert log.buried_for_good == {3: "packet too large", 11: "packet too large"}
        assert Counter(sink.indices()) == Counter(set(range(20)) - poison)
        assert forwarder.status.dead_letters == 2

    asyncio.run(scenario())


def test_dead_letters_are_counted_over_a_restart_and_wait_while_they_cannot_be_written() -> None:
    class Full(MemoryLog):
        refuses = 2

        async def bury(self, name: str, index: int, reason: str) -> None:
            self.refuses -= 1
            if self.refuses >= 0:
                raise LogError("disk full")
            await super().bury(name, index, reason)

    async def scenario() -> None:
        def verdict(batch: Batch) -> None:
            if any(record.index == 1 for record in batch.records):
                raise Rejected("too large")

        log = Full()
        await log.append(*entries(3))
        first = Forwarder("s", ScriptedSink(verdict), log, FAST)
        async with running(first.run()):
            await until(lambda: first.lag(3) == 0)
        assert (first.status.dead_letters, first.status.failures, log.buried_for_good) == (1, 2, {1: "too large"})
        second = Forwarder("s", ScriptedSink(), log, FAST)
        async with running(second.run()):
            await until(lambda: second.status.dead_letters == 1)
        assert second.status.refused == {"too large": 1}

    asyncio.run(scenario())


def test_an_entry_that_breaks_every_connection_holds_up_nothing_else_and_is_not_buried() -> None:
    async def scenario() -> None:
        def cut(batch: Batch) -> None:
            if 13 in {record.index for record in batch.records}:
                raise Unreachable("connection lost")

        log, sink = MemoryLog(), ScriptedSink(cut)
        await log.append(*entries(100))
        async with running(Forwarder("s", sink, log, FAST).run()):
            await until(lambda: set(sink.indices()) == set(range(100)) - {13})
            await log.append(b"new")
            await until(lambda: 100 in sink.indices())
            await until(lambda: log.on_disk.get("s") == 13)
        assert log.buried_for_good == {}

    asyncio.run(scenario())


def test_a_new_entry_that_breaks_every_connection_holds_up_nothing_else_either() -> None:
    async def scenario() -> None:
        def cut(batch: Batch) -> None:
            if 3 in {record.index for record in batch.records}:
                raise Unreachable("connection lost")

        log, sink = MemoryLog(), ScriptedSink(cut)
        async with running(Forwarder("s", sink, log, FAST).run()):
            await log.append(*entries(6))
            await until(lambda: set(sink.indices()) == {0, 1, 2, 4, 5})
            await until(lambda: log.on_disk.get("s") == 3)
        assert log.buried_for_good == {}

    asyncio.run(scenario())


def test_a_link_that_carries_small_batches_only_gets_small_batches() -> None:
    async def scenario() -> None:
        def cut(batch: Batch) -> None:
            if len(batch.records) > 2:
                raise Unreachable("connection lost")

        log, sink = MemoryLog(), ScriptedSink(cut)
        await log.append(*entries(50))
        async with running(Forwarder("s", sink, log, FAST).run()):
            await until(lambda: log.on_disk.get("s") == 50)
        assert set(sink.indices()) == set(range(50))

    asyncio.run(scenario())


def test_a_batch_without_an_answer_ends_the_session() -> None:
    async def scenario() -> None:
        class Silent(ScriptedSink):
            async def send(self, batch: Batch) -> None:
                if self.connections == 1:
                    await asyncio.sleep(3600)
                await super().send(batch)

        log, sink = MemoryLog(), Silent()
        await log.append(b"one")
        limits = ForwardLimits(send_s=0.01, retry_most_s=0.001)
        forwarder = Forwarder("s", sink, log, limits)
        async with running(forwarder.run()):
            await until(lambda: sink.indices() == [0])
        assert sink.connections == 2
        assert forwarder.status.failures == 1

    asyncio.run(scenario())


def test_connects_again_without_anything_to_send() -> None:
    async def scenario() -> None:
        log, sink = MemoryLog(), ScriptedSink()
        forwarder = Forwarder("s", sink, log, FAST)
        async with running(forwarder.run()):
            await until(lambda: forwarder.status.connected)
            sink.cut.set()
            await until(lambda: sink.connections == 2 and forwarder.status.connected)

    asyncio.run(scenario())


def test_waits_longer_after_a_refusal_than_after_silence() -> None:
    async def waits(error: Exception) -> list[float]:
        seen: list[float] = []

        async def sleep(seconds: float) -> None:
            seen.append(seconds)
            await asyncio.sleep(0)

        log, sink = MemoryLog(), ScriptedSink()
        sink.refuse = error
        async with running(Forwarder("s", sink, log, ForwardLimits(), random=Random(1), sleep=sleep).run()):
            await until(lambda: len(seen) >= 50)
        return seen

    unreachable = asyncio.run(waits(Unreachable("no route")))
    refused = asyncio.run(waits(FarSideRefused("not authorised")))
    assert max(unreachable) <= 0.8 < max(refused) <= 60.0
    assert unreachable[0] <= 0.1, "the first retry comes at once"
    assert len(set(unreachable)) == len(unreachable), "full jitter: no two waits alike"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 9))
def test_nothing_is_lost_whatever_breaks_and_a_kill_repeats_but_skips_nothing(
    seed: int, count: int, batch: int
) -> None:
    """Cuts before and after the far side took a batch, kills between two lives of the forwarder."""
    random = Random(seed)

    async def scenario() -> None:
        def maybe_cut(_batch: Batch) -> None:
            if random.random() < 0.3:
                raise Unreachable("cut")

        log = MemoryLog()
        sink = ScriptedSink(maybe_cut, maybe_cut)
        limits = ForwardLimits(
            batch_entries=batch, retry_most_s=0.0005, refused_most_s=0.0005, cursor_every_s=0.0005, replay_per_s=1e6
        )
        written = 0
        while written < count:
            disk = dict(log.on_disk)
            async with running(Forwarder("s", sink, log, limits).run()):
                step = min(count - written, random.randint(1, 15))
                await log.append(*entries(step))
                written += step
                for _ in range(random.randint(0, 20)):
                    await asyncio.sleep(0)
            if random.random() < 0.5:
                log.on_disk = disk  # killed: what was written on the way out never was
            assert set(range(log.on_disk.get("s", 0))) <= set(sink.indices())
        async with running(Forwarder("s", sink, log, limits).run()):
            await until(lambda: log.on_disk.get("s") == count)
        assert set(sink.indices()) == set(range(count))

    asyncio.run(scenario())

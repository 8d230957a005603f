"""What ended epochs owe to a sink: each entry once, oldest epoch first, as late ones, from the cursor on disk."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from wayside.evidence import merkle
from wayside.evidence.entry import commitment
from wayside.evidence.note import parse_checkpoint, parse_note
from wayside.kinds.backlog import Backlog
from wayside.log import LogReader
from wayside.log.retention import RetentionPolicy, expire
from wayside.net.far_side import Unreachable
from wayside.north.sink import Batch, Lost, SinkLog
from wayside.runtime.supervise import background
from wayside_wire.pack import SYNCED

from .crash import KEY, an_entry, open_log
from .made import STREAM


class Far:
    """A far side that takes batches of any log and checks their proofs; it may be away."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, int]] = []
        self.away = False

    def sink(self, log: SinkLog) -> "FarSink":
        return FarSink(self, log)


class FarSink:
    def __init__(self, far: Far, log: SinkLog):
        self._far = far
        self._log = log

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Lost]:
        if self._far.away:
            raise Unreachable("away")
        yield asyncio.Event().wait  # type: ignore[misc]

    async def send(self, batch: Batch) -> None:
        if self._far.away:
            raise Unreachable("away")
        assert batch.late, "the newest epoch has been sent before"
        proof = await self._log.prove(batch.first, batch.end)
        checkpoint = parse_checkpoint(parse_note(proof.checkpoint))
        leaves = [merkle.leaf_hash(commitment(each.salt, each.entry)) for each in batch.records]
        place = [(batch.first, batch.end)]
        assert merkle.root_from_subset(checkpoint.size, place, iter(leaves), list(proof.hashes)) == checkpoint.root
        assert checkpoint.origin == self._log.origin
        self._far.taken += [(self._log.origin, record.index) for record in batch.records]


def a_site(folder: Path, sizes: list[int]) -> None:
    """A log whose epochs have these sizes; the newest one has a single entry."""
    log = open_log(folder)
    for size in sizes:
        log.append_entries([an_entry(index) for index in range(log.size, size)])
        log.rotate(KEY.public, KEY.sign, lambda: (0, SYNCED))
    log.close()


def run(folder: Path, far: Far, newest: int, condition: Callable[[Backlog], bool]) -> Backlog:
    backlog = Backlog("city", folder, newest, far.sink)

    async def whole() -> None:
        async with asyncio.timeout(60), background(backlog.run):
            while not condition(backlog):
                await asyncio.sleep(0.01)

    asyncio.run(whole())
    return backlog


def owed(sizes: list[int]) -> list[tuple[str, int]]:
    return [(f"test.example/log/{epoch}", index) for epoch, size in enumerate(sizes) for index in range(size)]


def done(folder: Path, sizes: list[int]) -> bool:
    for epoch, size in enumerate(sizes):
        log = LogReader(folder, epoch=epoch)
        there = log.cursor("city")
        log.close()
        if there != size:
            return False
    return True


def test_every_epoch_is_delivered_once_oldest_first(tmp_path: Path):
    far, sizes = Far(), [300, 1, 40]
    a_site(tmp_path, sizes)
    run(tmp_path, far, 3, lambda backlog: done(tmp_path, sizes))
    assert set(far.taken) == set(owed(sizes)) and len(far.taken) == len(owed(sizes))
    assert [origin for origin, _ in far.taken] == sorted(origin for origin, _ in far.taken)
    far.taken.clear()
    run(tmp_path, far, 3, lambda backlog: not backlog._epochs)
    assert not far.taken, "nothing is owed any more"


def test_who_is_away_gets_it_later_from_where_it_was(tmp_path: Path):
    far, sizes = Far(), [600]
    a_site(tmp_path, sizes)
    log = LogReader(tmp_path, epoch=0, read_only=False)
    log.set_cursor("city", 250)
    log.close()
    far.away = True
    backlog = run(tmp_path, far, 1, lambda backlog: backlog.forwarded.failures > 1)
    assert backlog.lag == 350 and not far.taken
    far.away = False
    run(tmp_path, far, 1, lambda backlog: done(tmp_path, sizes))
    assert set(far.taken) == set(owed(sizes)[250:])


def test_what_cannot_be_read_is_named_and_what_is_erased_is_skipped(tmp_path: Path):
    far, sizes = Far(), [300, 300]
    a_site(tmp_path, sizes)
    (tmp_path / "epoch-0.sqlite").write_bytes(b"spoiled" * 999)
    log = open_log(tmp_path)
    assert expire(log, {STREAM: RetentionPolicy(max_age_ms=1)}, 151, SYNCED) == 149, "the first is the gateway's own"
    log.close()
    backlog = run(tmp_path, far, 2, lambda backlog: not backlog._epochs)
    assert list(backlog.lost) == [0] and "no log can be read" in backlog.lost[0]
    assert [index for _, index in sorted(far.taken)] == [0, *range(150, 300)]

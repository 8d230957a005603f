"""The loop that drives a sink: from the log, by cursor, at least once, live entries first.

What is not delivered is one live index, from which everything is new, and a few late intervals below it, left by
outages. While the sink is connected two tasks run: one sends what is new as soon as it is signed, the other works off
the late intervals at a limited rate. The cursor on disk is the lowest index not delivered: after a crash some entries
are sent again, none is left out. It is written once a second at most, because each write is a flush of the disk.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from random import Random
from time import monotonic

from wayside.log import LogError
from wayside.net.far_side import Denied, FarSideError, FarSideRefused, Rejected, Unreachable
from wayside.runtime.backoff import Backoff
from wayside.runtime.pulse import OUTSIDE_S, Pulse
from wayside.text.reason import reason

from .sink import Announces, Batch, Lost, Sink, SinkLog

_logger = logging.getLogger(__name__)

_RETRY_FIRST_S = 0.1
_PATIENCE = 10  # broken connections in a row before a live entry has to wait behind the others
_MAX_REASONS = 100
_DAMAGED = "damaged in the log"
_MAX_LATE_INTERVALS = 64  # more outages than that during one replay: some entries are sent twice instead


@dataclass(frozen=True)
class ForwardLimits:
    """Bounds of one sink. Bytes count entries before the sink's encoding."""

    batch_entries: int = 256
    batch_bytes: int = 64 * 1024
    send_s: float = 15.0  # a batch not taken within this time means that the link is dead
    replay_per_s: float = 2000.0  # late entries per second
    replay_share: float = 0.5  # of the time that late entries may keep the link busy; the rest is for what is new
    slow_send_s: float = 0.25  # a late batch that takes longer is halved next time, so that live ones slip in
    retry_most_s: float = 0.8  # unreachable: back within a second of the link
    refused_most_s: float = 60.0  # refused: each try costs both sides a handshake
    cursor_every_s: float = 1.0


@dataclass
class ForwardStatus:
    """What a sink has done since it was started, in entries and failed sessions; of dead letters all of its log.

    A dead letter is not delivered.
    """

    connected: bool = False
    delivered: int = 0
    failures: int = 0
    dead_letters: int = 0
    last_error: str = ""
    held: str = ""
    """The entry that waits at the end of the queue while others go on, and why."""
    refused: Counter[str] = field(default_factory=Counter)
    """Dead letters by reason."""
    unproven: int = 0
    """Of those delivered: acknowledged by a far side whose acknowledgement is worth nothing."""
    doubt: str = ""
    """What is not known of the newest ones, in a sentence."""


class Forwarder:
    """Drives one sink. Nothing but cancellation ends `run`; a sink's failure only ever delays its own entries."""

    def __init__(
        self,
        name: str,
        sink: Sink,
        log: SinkLog,
        limits: ForwardLimits = ForwardLimits(),
        *,
        random: Random | None = None,
        clock: Callable[[], float] = monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = name
        self.status = ForwardStatus()
        self._sink = sink
        self._log = log
        self._limits = limits
        self._clock = clock
        self._sleep = sleep
        self._backoff = Backoff(_RETRY_FIRST_S, limits.retry_most_s, random or Random())
        self._size = 0
        self._live = 0
        self._late: deque[tuple[int, int]] = deque()
        self._late_entries = limits.batch_entries
        self._late_wait_s = 0.0  # before the next late batch: one entry breaks the connection, others do not
        self._delivered_before = 0  # when the last late batch broke the connection
        self._late_backoff = Backoff(_RETRY_FIRST_S, limits.refused_most_s, random or Random())
        self._live_failures = 0  # batches in a row that broke the connection; each halves the next one
        self._saved = 0

    @property
    def not_announced(self) -> str:
        """What the far side does not take beside entries, and why; "" where there is nothing."""
        return self._sink.not_announced if isinstance(self._sink, Announces) else ""

    def pulse(self, size: Callable[[], int]) -> Pulse:
        """Of run(), while `size` entries of the log are not all delivered."""
        status = self.status

        def moved() -> tuple[int, ...]:
            return status.delivered, status.failures, status.dead_letters, self.lag(0)

        return Pulse(f"sink {self.name}", moved, lambda: self.lag(size()) > 0, OUTSIDE_S)

    async def run(self) -> None:
        """Forward until cancelled."""
        self._saved = self._live = await self._log.cursor(self.name)
        buried = await self._log.buried(self.name)
        self.status.refused, self.status.dead_letters = Counter(), len(buried)
        for each in buried:
            self.status.refused[self._kind(each)] += 1
        while True:
            try:
                async with self._sink.connect() as lost:
                    await self._session(lost)
            except FarSideError as error:
                wait_s = self._failed(error)
            except Exception as error:  # a fault of the sink, told by who starts this again
                self.status.failures += 1
                self.status.last_error = f"{type(error).__name__}: {error}"
                raise
            await self._sleep(wait_s)

    def _failed(self, error: FarSideError) -> float:
        """Note why a session ended; seconds to wait before the next."""
        # One line for an outage, however many tries it has: the status tells the rest.
        level, why = logging.DEBUG if self.status.last_error else logging.WARNING, reason(error)
        _logger.log(level, "sink %s: %s", self.name, why)
        self.status.failures += 1
        self.status.last_error = why
        return self._backoff.next_s(self._limits.refused_most_s if isinstance(error, FarSideRefused) else None)

    def lag(self, size: int) -> int:
        """How many of a log's first `size` entries have not been delivered."""
        return size - self._live + sum(end - first for first, end in self._late)

    async def _session(self, lost: Lost) -> None:
        """Send until the connection breaks."""
        self._size = await self._log.wait(-1)
        self._set_backlog_aside()
        self.status.connected = True
        # Not a TaskGroup: before Python 3.13 one that is cancelled while a task of it fails forgets the cancellation.
        work = (self._send_live(), self._send_late(), self._keep_cursor(), lost())
        tasks = [asyncio.create_task(each) for each in work]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            self.status.connected = False
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            await self._save_cursor()
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    def _set_backlog_aside(self) -> None:
        """Make what came in while there was no link late, all but the newest batch: the present comes first."""
        live = self._size - self._limits.batch_entries
        if live <= self._live:
            return
        if self._late and (self._late[-1][1] == self._live or len(self._late) >= _MAX_LATE_INTERVALS):
            first, _ = self._late.pop()
            self._late.append((first, live))
        else:
            self._late.append((self._live, live))
        self._live = live

    async def _send_live(self) -> None:
        while True:
            self._size = await self._log.wait(self._live)
            batch = await self._read(self._live, self._size, self._limits.batch_entries >> self._live_failures)
            try:
                await self._deliver(batch)
            except Denied:
                raise  # a smaller batch would change nothing, a larger one shows whether another topic is taken
            except FarSideError:
                self._live_failures += 1
                if self._live_failures > _PATIENCE and len(self._late) < _MAX_LATE_INTERVALS:
                    self._late.append((batch.first, batch.end))
                    self._live = batch.end
                raise
            self._live_failures = max(0, self._live_failures - 1)
            self._live = batch.end
            self._delivered(batch)

    async def _send_late(self) -> None:
        if wait_s := self._late_wait_s:
            self._late_wait_s = 0.0
            await self._sleep(wait_s)
        while self._late:
            first, end = self._late[0]
            batch = await self._read(first, end, self._late_entries, late=True)
            started = self._clock()
            try:
                await self._deliver(batch)
            except FarSideError as error:
                self._try_otherwise(batch, str(error))
                raise
            self.status.held = ""
            self._late_backoff.reset()
            took_s = self._clock() - started
            self._drop_from_late(batch.end)
            self._delivered(batch)
            await self._sleep(self._pause_s(len(batch.records), took_s))

    def _drop_from_late(self, end: int) -> None:
        """Take what lies below `end` off the first late interval."""
        _, last = self._late.popleft()
        if end < last:
            self._late.appendleft((end, last))

    def _try_otherwise(self, batch: Batch, why: str) -> None:
        """After a late batch broke the connection: less next time; a single entry goes to the end of the queue.

        Some brokers close the connection on a message that they find too large. Such an entry must not hold up
        the others for ever, nor tear down their connection all the time, and it is not known to be undeliverable.
        """
        self._late_entries = max(1, len(batch.records) // 2)
        has_delivered = self.status.delivered > self._delivered_before
        self._late_wait_s = self._late_backoff.next_s() if has_delivered and len(batch.records) == 1 else 0.0
        self._delivered_before = self.status.delivered
        if has_delivered and len(batch.records) == 1:
            self.status.held = f"entry {batch.first}: {why}"
        if len(batch.records) == 1 and len(self._late) < _MAX_LATE_INTERVALS:
            self._drop_from_late(batch.end)
            self._late.append((batch.first, batch.end))

    def _pause_s(self, count: int, took_s: float) -> float:
        """How long the replay holds back after a late batch; adapts the size of the next one to the link."""
        if took_s > self._limits.slow_send_s:
            self._late_entries = max(1, count // 2)
        else:
            self._late_entries = min(self._limits.batch_entries, self._late_entries * 2)
        share = self._limits.replay_share
        return max(took_s * (1 - share) / share, count / self._limits.replay_per_s - took_s)

    async def _read(self, first: int, end: int, limit: int, late: bool = False) -> Batch:
        records = await self._log.read(first, max(1, min(limit, end - first)))
        size = 0
        for count, record in enumerate(records):
            size += len(record.entry)
            if count and size > self._limits.batch_bytes:
                records = records[:count]
                break
        return Batch(tuple(records), late)

    async def _deliver(self, batch: Batch) -> None:
        for kept in _kept(batch):
            await self._send(kept)
        await self._leave_out([record.index for record in batch.records if record.damaged])

    async def _leave_out(self, damaged: Sequence[int]) -> None:
        """Bury what is damaged in the log. A value that nobody vouches for any more goes to nobody."""
        if not damaged:
            return
        first, last = damaged[0], damaged[-1]
        which = f"entry {first} is" if first == last else f"{len(damaged)} entries from {first} to {last} are"
        for index in damaged:
            await self._write_down(index, _DAMAGED)
        _logger.error("sink %s goes on without: %s %s", self.name, which, _DAMAGED)
        self.status.refused[self._kind(f"{which} {_DAMAGED}")] += len(damaged)
        self.status.dead_letters += len(damaged)

    async def _send(self, batch: Batch) -> None:
        try:
            async with asyncio.timeout(self._limits.send_s):
                doubt = await self._sink.send(batch)
        except TimeoutError:
            raise Unreachable(f"no answer within {self._limits.send_s:g} s") from None
        except Rejected as rejection:
            await self._bisect(batch, rejection)
        else:
            self.status.delivered += len(batch.records)
            self._note_doubt(doubt or "", len(batch.records))

    def _note_doubt(self, doubt: str, count: int) -> None:
        if doubt and not self.status.doubt:
            _logger.warning("sink %s: %s", self.name, doubt)
        self.status.doubt = doubt
        if doubt:
            self.status.unproven += count

    async def _bisect(self, batch: Batch, rejection: Rejected) -> None:
        """Send what the far side takes of a batch that it will not take whole; bury the rest, one by one."""
        middle = len(batch.records) // 2
        if rejection.entries:
            for index, reason in rejection.entries.items():
                await self._bury(index, reason)
            self.status.delivered += len(batch.records) - len(rejection.entries)
        elif middle:
            await self._send(Batch(batch.records[:middle], batch.late))
            await self._send(Batch(batch.records[middle:], batch.late))
        else:
            await self._bury(batch.first, str(rejection))

    async def _bury(self, index: int, reason: str) -> None:
        await self._write_down(index, reason)
        kind = self._kind(reason)
        if kind not in self.status.refused:  # a line for each reason; the dead letters in the log name every entry
            _logger.error("sink %s will never take entry %d, nor others like it: %s", self.name, index, reason)
        self.status.refused[kind] += 1
        self.status.dead_letters += 1

    async def _write_down(self, index: int, reason: str) -> None:
        try:
            await self._log.bury(self.name, index, reason)
        except LogError as error:
            raise FarSideRefused(
                f"entry {index} is refused ({reason}), and that cannot be written down: {error}"
            ) from None

    def _kind(self, reason: str) -> str:
        refused = self.status.refused
        return reason if reason in refused or len(refused) < _MAX_REASONS else "other reasons"

    def _delivered(self, batch: Batch) -> None:
        self._backoff.reset()
        if self.status.held:  # the connection is good, and breaks for one entry again and again: told once
            return
        if self.status.last_error:
            _logger.warning("sink %s: delivers again", self.name)
        self.status.last_error = ""

    def _lowest(self) -> int:
        return min([self._live, *(first for first, _ in self._late)])

    async def _keep_cursor(self) -> None:
        while True:
            await self._sleep(self._limits.cursor_every_s)
            await self._save_cursor()

    async def _save_cursor(self) -> None:
        lowest = self._lowest()
        if lowest == self._saved:
            return
        try:
            await self._log.set_cursor(self.name, lowest)
        except LogError as error:
            # A full disk must not keep entries from leaving; the cost is a repetition after a crash.
            _logger.warning("sink %s: cursor not written: %s", self.name, error)
            return
        self._saved = lowest


def _kept(batch: Batch) -> Iterator[Batch]:
    """The neighbours that retention and the disk have left. What was erased an entry of its own names."""
    for gone, records in groupby(batch.records, lambda record: not record.salt):
        if not gone:
            yield Batch(tuple(records), batch.late)

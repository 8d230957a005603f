"""Retention by age and by size, per stream: old entries go, their hashes stay, every other proof stays valid.

The log first says what it is going to erase, in the stream itself, then it is erased: power may go in between, then the
next pass does the rest and says so once more. What goes is always the beginning of a stream, by number. Where to go on
is remembered by name, so a pass does not begin at the first entry ever. Of epochs that have ended the newest one says
it; they are worked off one after the other.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace

from wayside_wire.pack import SYNCED

from wayside.evidence import EvidenceError
from wayside.evidence.entry import beginning, encode_unplaced
from wayside.evidence.kinds import AGE, SIZE, SIZE_UNDELIVERED, RetentionBody
from wayside.evidence.stream import GATEWAY, KEYS

from .errors import LogError
from .log import Append, Log
from .reader import LogReader, epochs
from .store import LEFT_BY_ERASED, StoredEntry

_AT_ONCE = 4096  # entries that one pass erases per stream at most, so that live data does not wait
# Each erasure is told by an entry. One for each entry that goes would never end, so nothing is erased until a limit is
# exceeded by this part of it; then all that exceeds it is.
_SLACK = 64
_LOOK = 64  # entries that are read in a row where one with a time that counts is looked for
_MOST_SLACK_MS = 3_600_000
_LEAST_BYTES = 65_536  # of a stream, whatever its share: the newest of it is never erased by size


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """How long a stream's entries are kept. None: without that limit."""

    max_age_ms: int | None = None
    max_bytes: int | None = None


def expire(
    log: Log,
    policies: Mapping[str, RetentionPolicy],
    now_ms: int,
    time_quality: int,
    sinks: Iterable[str] = (),
    earliest_ms: int = 0,
) -> int:
    """One pass over the streams; how many entries were erased. LogError when the disk refuses.

    Age counts only while the clock is synchronised: a clock that is a year ahead must not erase a year. What was logged
    while it was not, or with a time that is still to come or before `earliest_ms`, is as old as the first entry behind
    it whose time counts: a machine without a battery starts in 1970. No entry is older than one in front of it. And
    age waits for `sinks`: what one of them has not delivered goes only
    when the size forces it, and the log says so.
    """
    kept = {stream: policy for stream, policy in policies.items() if stream not in (GATEWAY, KEYS)}
    a_pass = _Pass(log, kept, now_ms, time_quality, tuple(sinks), earliest_ms)
    return a_pass.over(log) + a_pass.over_ended()


@dataclass(frozen=True, slots=True)
class _Pass:
    log: Log
    policies: Mapping[str, RetentionPolicy]
    now_ms: int
    time_quality: int
    sinks: Sequence[str]
    earliest_ms: int

    def over(self, holder: LogReader) -> int:
        """Erase in one epoch; how many."""
        return sum(self._erase(holder, stream, policy) for stream, policy in self.policies.items())

    def over_ended(self) -> int:
        """Erase of each stream in the oldest epoch that still has something of it; how many."""
        return sum(self._over_ended(stream, policy) for stream, policy in self.policies.items())

    def _over_ended(self, stream: str, policy: RetentionPolicy) -> int:
        name = f"{_name(stream)}/epochs"
        done = self.log.cursor(name)  # in the epochs before this one nothing is left
        for epoch in sorted(each for each in epochs(self.log.folder) if done <= each < self.log.epoch):
            try:
                with closing(LogReader(self.log.folder, epoch=epoch, read_only=False)) as ended:
                    ended.keep_hashes()
                    erased = self._erase(ended, stream, policy)
                    with suppress(LogError):
                        ended.compact()
                    if erased or ended.oldest(stream, ended.cursor(_name(stream)), 1):
                        return erased
            except LogError:
                pass  # damaged: nothing of it can be proven, and it is left as it is
            self.log.set_cursor(name, epoch + 1)
        return 0

    def _erase(self, holder: LogReader, stream: str, policy: RetentionPolicy) -> int:
        delivered = min((holder.cursor(sink) for sink in self.sinks), default=holder.size)
        oldest = holder.oldest(stream, holder.cursor(_name(stream)), _AT_ONCE)
        by_age = 0
        if policy.max_age_ms and self.time_quality == SYNCED:
            due = [each for _, each in oldest if each.index < delivered]
            before_ms = self.now_ms - policy.max_age_ms
            slack_ms = min(policy.max_age_ms // _SLACK, _MOST_SLACK_MS)
            gone_ms = self._gone_ms(holder, stream)
            if self._expired(holder, due[:1], before_ms - slack_ms, gone_ms):
                by_age = self._expired(holder, due, before_ms, gone_ms)
        by_size = 0
        if policy.max_bytes is not None and oldest:
            surplus = self._stored_since(holder, stream) - policy.max_bytes
            if surplus > max(policy.max_bytes // _SLACK, _LEAST_BYTES // _SLACK):
                by_size = _surplus([each for _, each in oldest], surplus)
        count = max(by_age, by_size)
        if not count:
            return 0
        (first, _), (last, newest) = oldest[0], oldest[count - 1]
        cause = AGE if by_age >= by_size else SIZE if newest.index < delivered else SIZE_UNDELIVERED
        body = RetentionBody(first, last + 1, cause, "" if holder is self.log else holder.origin)
        self.log.append_entries([Append(stream, encode_unplaced(self.now_ms, self.time_quality, body))])
        erased = holder.erase(stream, first, last + 1)
        holder.set_cursor(_name(stream), last + 1)
        times = [time_ms for _, each in oldest[:count] if (time_ms := self._time_that_counts(each)) is not None]
        holder.set_cursor(f"{_name(stream)}/time", max(times, default=0) or self._gone_ms(holder, stream))
        return erased

    def _gone_ms(self, holder: LogReader, stream: str) -> int:
        """The time of the newest that went: what is behind it is not older, whatever a clock said that went back."""
        time_ms = holder.cursor(f"{_name(stream)}/time")
        return time_ms if time_ms <= self.now_ms else 0

    def _expired(self, holder: LogReader, oldest: Sequence[StoredEntry], before_ms: int, gone_ms: int) -> int:
        """How many of the oldest were logged before; up to the first that was not, or of which nobody knows."""
        times: list[int | None] = []
        time_ms: int | None = None
        for place, record in enumerate(reversed(oldest)):
            own_ms = self._time_that_counts(record)
            time_ms = own_ms if own_ms is not None else time_ms if place else self._first_time(holder, record.index + 1)
            times.append(time_ms)
        at_least_ms = gone_ms
        for count, time_ms in enumerate(reversed(times)):
            if time_ms is None or (at_least_ms := max(at_least_ms, time_ms)) >= before_ms:
                return count
        return len(oldest)

    def _time_that_counts(self, record: StoredEntry) -> int | None:
        if not record.entry:
            return None
        try:
            _, time_ms, quality = beginning(record.entry)
        except EvidenceError:  # damaged on the disk
            return None
        return time_ms if quality == SYNCED and self.earliest_ms <= time_ms <= self.now_ms else None

    def _first_time(self, holder: LogReader, first: int) -> int | None:
        """The first time that counts from the entry `first` on, or a later one: of many entries not all are read."""
        last = max(first, holder.size - _LOOK)
        at, step = first, _LOOK
        while at < holder.size:
            for record in holder.records(at, _LOOK):
                if (time_ms := self._time_that_counts(record)) is not None:
                    return time_ms
            at, step = holder.size if at == last else min(at + step, last), 2 * step
        return None if holder is self.log else self._first_time(self.log, 0)

    def _stored_since(self, holder: LogReader, stream: str) -> int:
        """Bytes of a stream in an epoch and in those after it."""
        total = holder.stored(stream)[0]
        for epoch in epochs(self.log.folder):
            if holder.epoch < epoch < self.log.epoch:
                try:
                    with closing(LogReader(self.log.folder, epoch=epoch)) as later:
                        total += later.stored(stream)[0]
                except LogError:
                    continue
        return total + (self.log.stored(stream)[0] if holder.epoch < self.log.epoch else 0)


def fit(
    log: Log, policies: Mapping[str, RetentionPolicy], streams: Iterable[str], most_bytes: int
) -> dict[str, RetentionPolicy]:
    """The policies, tightened so that each of `streams` keeps to its own share of `most_bytes`.

    A share is what the policy says by size, else an equal part of what those leave. It does not depend on what other
    streams hold: nobody's flood erases another's past. What erased entries leave behind counts against their stream.
    """
    names = list(dict.fromkeys(streams))
    given = {name: size for name in names if (size := policies.get(name, RetentionPolicy()).max_bytes) is not None}
    rest = max(0, most_bytes - sum(given.values())) // max(1, len(names) - len(given))
    tight = dict(policies)
    for name in names:
        left_behind = _entries(log, name) * LEFT_BY_ERASED
        # A sixteenth is what the database's pages lose at their ends.
        most = max(_LEAST_BYTES, (given.get(name, rest) - left_behind) * 15 // 16)
        tight[name] = replace(tight.get(name, RetentionPolicy()), max_bytes=most)
    return tight


def _entries(log: Log, stream: str) -> int:
    """How many entries a stream has had in all epochs."""
    total = log.stored(stream)[1]
    for epoch in epochs(log.folder):
        if epoch < log.epoch:
            try:
                with closing(LogReader(log.folder, epoch=epoch)) as ended:
                    total += ended.stored(stream)[1]
            except LogError:
                continue
    return total


def _name(stream: str) -> str:
    return f"retention/{stream}"


def _surplus(oldest: list[StoredEntry], surplus: int) -> int:
    """How many of the oldest it takes to free `surplus` bytes."""
    count = 0
    while surplus > 0 and count < len(oldest):
        surplus -= len(oldest[count].entry)
        count += 1
    return count

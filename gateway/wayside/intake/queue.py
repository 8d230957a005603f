"""What waits to become entries, in the order in which it happened: reports of polled meters, and what the gateway says.

While the disk refuses or is slow it waits here. Both are bounded, reports together, entries of the gateway's own in
each stream for itself. Of reports the device gives way that has most of them waiting, by the policy of its own, so that
one that reports often takes nothing of another's; of entries the oldest of the stream does. What gives way is counted.
"""

import asyncio
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from wayside.evidence.kinds import DISCARD_NEWEST, DISCARD_OLDEST, REDUCE_FIDELITY
from wayside.evidence.stream import device_stream
from wayside.log import Append, LogError
from wayside.values.reading import Reading

_MOST_OWN = 256  # entries of the gateway's own, in each stream


@dataclass(slots=True, eq=False)
class QueuedReport:
    """A report of a polled meter, the payloads of its packs (see pack.split), and when it is durable.

    notes: come with the last of the packs, see Append.
    """

    device: str
    readings: Sequence[Reading]
    parts: Sequence[tuple[bytes, int]]
    notes: dict[str, bytes] = field(default_factory=dict)
    durable: "asyncio.Future[None]" = field(init=False)

    @property
    def stream(self) -> str:
        return device_stream(self.device)


@dataclass(slots=True, eq=False)
class Own:
    """An entry of the gateway's own. told: done with the first commit that was tried, or carries its LogError."""

    entry: Append
    told: "asyncio.Future[None]"
    durable: "asyncio.Future[None]" = field(init=False)

    @property
    def stream(self) -> str:
        return self.entry.stream

    def tell(self, error: BaseException | None) -> None:
        if self.told.done():
            return
        if error is None:
            self.told.set_result(None)
        else:
            self.told.set_exception(error)
            self.told.exception()  # not everybody waits for it


_Lane = tuple[type[QueuedReport] | type[Own], str]  # reports of a stream, or the entries of the gateway's own in it


class IntakeQueue:
    """`dropped`: how many gave way, by (stream, policy); `policies`: of devices, DISCARD_OLDEST where there is none."""

    def __init__(self) -> None:
        self.policies: Mapping[str, str] = {}
        self.dropped: Counter[tuple[str, str]] = Counter()
        self._waiting: OrderedDict[int, QueuedReport | Own] = OrderedDict()  # by a number of their own
        self._numbers = count()
        self._lanes: defaultdict[_Lane, deque[int]] = defaultdict(deque)  # numbers, in the same order
        self._reports = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add_report(self, report: QueuedReport, most: int) -> int:
        """How many gave way for it, itself among them or not; `most`: so many may wait."""
        self._add(report)
        before = self._reports
        if self._reports > max(1, most):
            fullest = max(
                (lane for lane in self._lanes if lane[0] is QueuedReport), key=lambda lane: len(self._lanes[lane])
            )
            device = self._waiting[self._lanes[fullest][0]]
            assert isinstance(device, QueuedReport)
            self._thin_out(fullest, self.policies.get(device.device, DISCARD_OLDEST))
        return before - self._reports

    def add_own(self, own: Own) -> None:
        self._add(own)
        if len(self._lanes[Own, own.stream]) > _MOST_OWN:
            self._thin_out((Own, own.stream), DISCARD_OLDEST)

    def take(self) -> QueuedReport | Own:
        number = next(iter(self._waiting))
        self._lanes[_lane(self._waiting[number])].popleft()
        return self._let_go(number)

    def put_back(self, items: Iterable[QueuedReport | Own]) -> None:
        """Before all others, in their order."""
        for item in reversed(list(items)):
            number = self._add(item)
            self._waiting.move_to_end(number, last=False)
            self._lanes[_lane(item)].rotate(1)

    def _add(self, item: QueuedReport | Own) -> int:
        number = next(self._numbers)
        self._waiting[number] = item
        self._lanes[_lane(item)].append(number)
        self._reports += isinstance(item, QueuedReport)
        return number

    def _let_go(self, number: int) -> QueuedReport | Own:
        """Of one that stands in no lane any more."""
        item = self._waiting.pop(number)
        if not self._lanes[_lane(item)]:
            del self._lanes[_lane(item)]
        self._reports -= isinstance(item, QueuedReport)
        return item

    def _thin_out(self, lane: _Lane, policy: str) -> None:
        numbers = self._lanes[lane]
        # Of two there is no second that is not also the newest: then as with the oldest.
        if policy == REDUCE_FIDELITY and len(numbers) > 2:
            before = list(numbers)
            away = before[1:-1:2]
            self._lanes[lane] = deque([*before[:-1:2], before[-1]])
        else:
            away = [numbers.pop() if policy == DISCARD_NEWEST else numbers.popleft()]
        for number in away:
            item = self._let_go(number)
            if isinstance(item, Own):
                item.tell(LogError("the log has taken nothing for too long, and the entry gave way to later ones"))
        self.dropped[lane[1], policy] += len(away)


def _lane(item: QueuedReport | Own) -> _Lane:
    return type(item), item.stream

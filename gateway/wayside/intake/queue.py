"""What waits to become entries, in the order in which it happened: reports of polled meters, and what the gateway says.

While the disk refuses or is slow it waits here. Both are bounded, reports together, entries of the gateway's own in
each stream for itself: a meter that comes and goes takes nothing of another's. The oldest gives way, and is counted.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from wayside.evidence.stream import device_stream
from wayside.log import Append, LogError
from wayside.reading import Reading

_MOST_OWN = 256  # entries of the gateway's own, in each stream


@dataclass(slots=True, eq=False)
class Report:
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


class Queue:
    """`dropped`: how many gave way, by stream."""

    def __init__(self) -> None:
        self._waiting: deque[Report | Own] = deque()
        self._reports = 0
        self._own: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._waiting)

    def add_report(self, report: Report, most: int) -> bool:
        """Whether another one gave way for it; `most`: so many may wait."""
        is_full = self._reports >= max(1, most)
        if is_full:
            self._give_way(lambda each: isinstance(each, Report))
        self._waiting.append(report)
        self._count(report, 1)
        return is_full

    def add_own(self, own: Own) -> None:
        if self._own[own.stream] >= _MOST_OWN:
            self._give_way(lambda each: isinstance(each, Own) and each.stream == own.stream)
        self._waiting.append(own)
        self._count(own, 1)

    def take(self) -> Report | Own:
        item = self._waiting.popleft()
        self._count(item, -1)
        return item

    def put_back(self, items: Iterable[Report | Own]) -> None:
        """Before all others, in their order."""
        back = list(items)
        self._waiting.extendleft(reversed(back))
        for item in back:
            self._count(item, 1)

    def _count(self, item: Report | Own, step: int) -> None:
        if isinstance(item, Report):
            self._reports += step
        else:
            self._own[item.stream] += step

    def _give_way(self, which: Callable[[Report | Own], bool]) -> None:
        place = next(place for place, each in enumerate(self._waiting) if which(each))
        item = self._waiting[place]
        del self._waiting[place]
        self._count(item, -1)
        self.dropped[item.stream] += 1
        if isinstance(item, Own):
            item.tell(LogError("the log has taken nothing for too long, and the entry gave way to later ones"))

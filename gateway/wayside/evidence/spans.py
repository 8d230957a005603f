"""What may lie between two places, of a log or of time: asked for each register of a settlement, so it is a search."""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from wayside.evidence.finding import SHOWN
from wayside.evidence.judge import Why

_LOOKED_AT = 4 * SHOWN


class Span(NamedTuple):
    """Something that was at one place from `begin` to `end`, both included. key: whose word it is; empty: nobody's."""

    begin: int
    end: int
    why: Why
    key: bytes = b""


class _Ends:
    """Where spans begin and end, each ascending: how many overlap is then a matter of two searches."""

    def __init__(self, spans: list[Span]) -> None:
        self._begins = array("q", sorted(each.begin for each in spans))
        self._ends = array("q", sorted(each.end for each in spans))

    def count(self, after: int, until: int) -> int:
        return bisect_right(self._begins, until) - bisect_right(self._ends, after)


class Spans:
    """Spans, asked which of them may lie in (after, until]. Places are from -1 to 2^63-1."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._all = sorted(spans, key=_end_of)
        by_key: dict[bytes, list[Span]] = {}
        for each in self._all:
            by_key.setdefault(each.key, []).append(each)
        self._ends = array("q", (each.end for each in self._all))
        self._whole = _Ends(self._all)
        self._of = {key: _Ends(spans) for key, spans in by_key.items()}
        self._new = _Ends([each for each in self._all if each.why.is_new_count])
        self._new_of = {
            key: _Ends([each for each in spans if each.why.is_new_count]) for key, spans in by_key.items()
        }

    def between(self, after: int, until: int, what: str, own: bytes | None = None, more: str = "") -> Iterator[Why]:
        """Why nothing is counted over (after, until]: the first of them, and the others as "so many more `what`".

        own: whose spans are passed over; more: what is said behind each, and nothing where it is clear.
        """
        if until <= after:
            return
        count = self._whole.count(after, until) - (self._of[own].count(after, until) if own in self._of else 0)
        found: dict[Why, None] = {}
        low = bisect_right(self._ends, after)
        for each in self._all[low : low + _LOOKED_AT]:
            if each.begin <= until and each.key != own and len(found) < SHOWN:
                found[each.why._replace(text=f"{each.why}{more}")] = None
                count -= 1
        yield from found
        if count:
            new = self._new.count(after, until) - (self._new_of[own].count(after, until) if own in self._of else 0)
            yield Why(f"{count} more {what}{more or ' lie between'}", is_new_count=new > 0)


def _end_of(span: Span) -> int:
    return span.end

"""What is asked of an asset becomes one wish: the strongest first, each within what stronger ones left."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from wayside.control.energy.cycle import How, PowerRequest, Reason
from wayside.control.energy.limits import is_count

LONGEST_MS = 8 * 86_400_000
"""The end of a request is no further away."""
_MOST_TOLD = 16  # refusals in a cycle


class Wish(NamedTuple):
    """What an asset is to have by all who ask. by: whose it is; priority: of that one. var: None: nobody asks."""

    watts: int
    by: str
    priority: int
    phases: int = 0
    var: int | None = None
    is_bounded: bool = False


def name_of(source: object) -> str:
    """A name as a reason says it; "?" for what is none."""
    return source if isinstance(source, str) else "?"


def fault(request: PowerRequest, names: Sequence[str], now_ms: int) -> str:
    """Why a request cannot be taken, "" when it can."""
    if request.asset not in names:
        return f'no asset is called "{name_of(request.asset)}"'
    if not isinstance(request.source, str):
        return "source is a name"
    if not all(is_count(each) for each in (request.watts, request.priority, request.until_ms)):
        return "watts, priority and until_ms are whole numbers"
    if not 1 <= request.priority <= 16:
        return "priority is 1 (strongest) to 16"
    if request.until_ms - now_ms > LONGEST_MS:
        return "it ends in more than eight days"
    if request.how not in tuple(How) or not (is_count(request.phases) and request.phases in (0, 1, 3)):
        return "how is at, at least or at most; phases is 0, 1 or 3"
    if request.var is not None and not is_count(request.var):
        return "var is a whole number"
    return ""


def sort(
    wanted: Iterable[PowerRequest], names: Sequence[str], now_ms: int
) -> tuple[dict[str, list[PowerRequest]], tuple[Reason, ...]]:
    """Those that stand, by asset, the strongest first and of equal ones the last; and what was refused."""
    standing: dict[str, list[PowerRequest]] = {}
    refused = []
    for request in wanted:
        if text := fault(request, names, now_ms):
            refused.append(Reason("", f"refused: {text}", name_of(request.source), None, 0))
        elif now_ms < request.until_ms:
            standing.setdefault(request.asset, []).append(request)
    for requests in standing.values():
        requests.reverse()
        requests.sort(key=lambda request: request.priority)
    return standing, tuple(refused[:_MOST_TOLD])


def wish(requests: Iterable[PowerRequest], low: int, high: int, rest: int, *, only_bounds: bool = False) -> Wish:
    """The wish between `low` and `high`; rest: while nobody asks. only_bounds: values to have are not heard."""
    var = None
    bounded, by, rank = False, "", 17
    for request in requests:
        if var is None:
            var = request.var
        if request.how == How.AT:
            if only_bounds:
                continue
            watts = max(low, min(high, request.watts))
            return Wish(watts, request.source, request.priority, request.phases, var, watts != request.watts)
        watts = max(low, min(high, request.watts))
        if request.how == How.AT_LEAST and watts > low:
            low = watts
        elif request.how == How.AT_MOST and watts < high:
            high = watts
        else:
            continue
        if not low <= rest <= high:
            bounded, by, rank = True, request.source, min(rank, request.priority)
    return Wish(max(low, min(high, rest)), by, rank, 0, var, bounded)

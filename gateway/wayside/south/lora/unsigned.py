"""Reports that were heard and that their node never signed: what they said goes into the log, as what it is.

Reports wait for their head. None will come when the node was cut off in between: its next boot, or a later head of the
same boot, tells. Then, and when they have waited for long, the gateway enters them itself, so that they are neither
lost nor taken for evidence of the device.
"""

from asyncio import to_thread
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime

from wayside_wire import lora_report as wire
from wayside_wire.pack import BAD, UNSYNCED

from wayside.evidence.kinds import MAX_TEXT
from wayside.south.lora.store import MOST_WAITING, LoraStore, Waiting
from wayside.values.reading import Reading, format_value

PATIENCE_MS = 7 * 86_400_000

Enter = Callable[[str, int, str], Awaitable[object]]
"""(device, number of reports, what they said) -> done when that is durable in the log."""


class Unsigned:
    """Of the nodes of one network."""

    def __init__(self, store: LoraStore, enter: Enter):
        self._store = store
        self._enter = enter
        self._pending = store.pending()

    def waiting(self, node: int) -> int:
        """How many reports of this node wait for their head."""
        return self._pending.get(node, 0)

    async def heard(self, node: int, device: str, profile: wire.AirProfile) -> int:
        """A report of this node was kept; returns how many older ones are not waited for any more."""
        await self._count(node)
        rows = await to_thread(self._store.surplus, node) if self.waiting(node) > MOST_WAITING else []
        await self._settle(node, device, profile, rows)
        return len(rows)

    async def signed(self, node: int, device: str, profile: wire.AirProfile, head: wire.AirHead) -> int:
        """The pack of this head is in the log; returns how many reports before it can never be signed."""
        rows = []
        if not head.older_held:  # else a pack from the node's journal may still want them
            rows = [row for row in await to_thread(self._store.waiting, node) if _is_before(row, head)]
            await self._settle(node, device, profile, rows)
        await self._count(node)
        return len(rows)

    async def overdue(self, node: int, device: str, profile: wire.AirProfile, now_ms: int) -> int:
        """Enter what has waited for long, once; should its head come after all, the pack is made all the same."""
        rows = [row for row in await to_thread(self._store.waiting, node) if not row.told]
        rows = [row for row in rows if now_ms - row.heard_ms >= PATIENCE_MS]
        await self._say(device, profile, rows)
        await to_thread(self._store.mark_told, [row.number for row in rows])
        return len(rows)

    async def _settle(self, node: int, device: str, profile: wire.AirProfile, rows: Sequence[Waiting]) -> None:
        if rows:
            await self._say(device, profile, [row for row in rows if not row.told])
            await to_thread(self._store.remove, [row.number for row in rows])
            await self._count(node)

    async def _count(self, node: int) -> None:
        self._pending[node] = await to_thread(self._store.count, node)

    async def _say(self, device: str, profile: wire.AirProfile, rows: Sequence[Waiting]) -> None:
        for lines in _texts(_text(profile, row) for row in rows):
            await self._enter(device, len(lines), "\n".join(lines))


def _texts(lines: Iterable[str]) -> Iterator[list[str]]:
    """The lines in groups that fit into the text of an entry; one alone always does, as it came in a frame."""
    group: list[str] = []
    size = 0
    for line in lines:
        more = len(line.encode()) + 1
        if group and size + more > MAX_TEXT:
            yield group
            group, size = [], 0
        group.append(line)
        size += more
    if group:
        yield group


def _is_before(row: Waiting, head: wire.AirHead) -> bool:
    """Whether the node made this report before those of the head. Of a boot the low six bits are known."""
    behind: int = (head.boot - row.boot) & 63
    if behind:
        return behind < 32
    if (row.quality == UNSYNCED) != (head.time_quality == UNSYNCED):
        return row.quality == UNSYNCED  # once a boot has the time it keeps it
    first: int = head.times_s[0]
    return row.time_s < first


def _text(profile: wire.AirProfile, row: Waiting) -> str:
    report = wire.decode_report(profile, row.payload)
    when = f"{row.time_s} s after the start"
    if row.quality != UNSYNCED:
        when = datetime.fromtimestamp(row.time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{when}: " + ", ".join(map(_value, report.readings))


def _value(reading: Reading) -> str:
    if reading.quality == BAD:
        return f"{reading.channel} bad ({reading.reason})"
    return f"{reading.channel} {format_value(reading.mantissa, reading.exponent)} {reading.unit}"

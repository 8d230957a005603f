"""The last two minutes of a running junction, for a page that follows it: from its feed what is shown now, from its
journal, computed again tick by tick, what was shown before.

The journal alone does not say until when its last decision was carried out: the controller may have stopped since. So
bars reach no further than the feed's last picture, and what lies between a stop and the next start stays empty.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wayside.control import journal
from wayside.control.signals import core, feed
from wayside.control.signals.junction import Junction
from wayside.control.signals.replay import Moment, ReplayedDecision, bars, decisions, ticks
from wayside.evidence import EvidenceError
from wayside.evidence.entry import decode_unplaced, kind_and_time
from wayside.evidence.kinds import EntryKind

SPAN_MS = 120_000
_BEHIND_MS = 1000  # an entry may reach the disk later than the picture that it explains
_LOOK_BACK_MS = 3_600_000 + SPAN_MS


class Live:
    """Follows one controller's folder. Not for two threads at once."""

    def __init__(self, junction: Junction, folder: Path, now_ms: int):
        self._junction = junction
        self._folder = folder
        since = datetime.fromtimestamp((now_ms - _LOOK_BACK_MS) // 1000, UTC).date()
        self._file = journal.file_since(folder, since)
        self._at = 0
        self._coming: Iterator[Moment] = iter(())
        self._next: Moment | None = None
        self._moments: list[Moment] = []
        self.last_entry_ms: int | None = None

    def follow(self) -> dict[str, Any] | None:
        """The feed's picture (see feed.describe) with `lamp` and `bars` to each group, `from_ms` and `to_ms` around
        them, the `stage` that holds all green groups (0: none) and `last_entry_ms`; None when the folder holds no
        picture.

        EvidenceError when feed or journal are spoilt or of another junction; OSError when they cannot be read.
        """
        picture = feed.read(self._folder)
        if picture is None:
            return None
        names = [group.name for group in self._junction.groups]
        to_ms = picture["utc_ms"]
        shown = {group["name"]: group for group in picture["groups"]}
        try:
            mode = core.Mode[picture["mode"].upper()]
            showing = [core.Shown(core.Indication[each["shows"].upper()], each["age"]) for each in shown.values()]
        except KeyError:
            raise EvidenceError("the feed is of another version; run gateway and controller of the same one") from None
        if list(shown) != names:
            raise EvidenceError("the feed is not of this junction; name the junction file that is in force")
        self._take(to_ms)
        pairs = zip(self._junction.groups, showing, strict=True)
        lamps = [core.lamp(group, mode, each).name.lower() for group, each in pairs]
        groups = [
            {**shown[name], "lamp": lamp, "bars": [list(bar) for bar in bars(self._junction, self._moments, number)]}
            for number, (name, lamp) in enumerate(zip(names, lamps, strict=True))
        ]
        green = {name for name in names if shown[name]["shows"] == "green"}
        stages = enumerate(self._junction.stages, 1)
        return {
            **picture,
            "groups": groups,
            "from_ms": to_ms - SPAN_MS,
            "to_ms": to_ms,
            "stage": next((number for number, stage in stages if green and green <= set(stage)), 0),
            "last_entry_ms": self.last_entry_ms,
        }

    def _take(self, to_ms: int) -> None:
        begin_ms = to_ms - SPAN_MS
        start = core.begin(self._junction)
        for decision in self._new(to_ms - _LOOK_BACK_MS):
            # A controller that started: nobody knows until when the one before carried its decision out.
            if decision.state != start and decision.utc_ms > begin_ms:
                self._draw(decision.utc_ms)
            self._moments = [moment for moment in self._moments if moment.utc_ms < decision.utc_ms]
            self._coming = ticks(self._junction, decision)
            self._next = next(self._coming)
        self._draw(to_ms - _BEHIND_MS)
        self._moments = [moment for moment in self._moments if moment.utc_ms >= begin_ms]

    def _new(self, since_ms: int) -> Iterator[ReplayedDecision]:
        """Decisions not seen yet, none from before `since_ms`: a day of them would take long."""
        for written in journal.entries_after(self._folder, self._file, self._at):
            self._file, self._at = written.file, written.end
            kind, self.last_entry_ms = kind_and_time(written.raw)
            if kind == EntryKind.DECISION and self.last_entry_ms >= since_ms:
                # The feed is of this junction, so one that is not is from before the junction file was changed.
                with suppress(EvidenceError):
                    yield from decisions(self._junction, [decode_unplaced(written.raw)])

    def _draw(self, until_ms: int) -> None:
        """The ticks of the decision in force, as far as before `until_ms`."""
        while self._next and self._next.utc_ms < until_ms:
            self._moments.append(self._next)
            self._next = next(self._coming, None)

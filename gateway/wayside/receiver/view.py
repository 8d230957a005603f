"""The account as lines of text: the live table, one line per report, the summary. Pure: no terminal, no clock.

A row is a channel; its aggregates (`.min`, `.max`, `.mean`, `.diff`) stand behind it where the line is wide enough.
"""

from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

from wayside.text.printable import printable
from wayside.values.reading import Quality, Reading, TimeQuality, format_value

from .account import SiteAccount, VerifiedPack

_AGGREGATES = ("min", "max", "mean", "diff")
_MAX_PROBLEMS = 8
_LONGEST = 500  # characters of the line of a report
_MAX_SHOWN = 4  # readings in the line of a report

_HEADING = ["device", "channel", "value", "unit", "quality", "age", "verified"]
_WIDTHS = [22, 14, 4, 9, 6, 8]  # all columns but the first; with 11 for that they fill 80
_RIGHT = {2, 5}
_WIDE = 110
_MAX_CELLS = 20_000  # that are remembered
_FRAME_LINES = 4  # title, counts, heading, note


@dataclass(frozen=True)
class _Cell:
    reading: Reading
    time_quality: TimeQuality
    place: tuple[int, int]
    signed: bool


class LiveTable:
    """The newest reading of every channel, whatever order the reports come in."""

    def __init__(self) -> None:
        self._cells: dict[tuple[str, str], _Cell] = {}
        self.full = False  # there are more channels than are shown

    def take(self, report: VerifiedPack) -> None:
        pack = report.pack
        for reading in pack.readings:
            cell = _Cell(reading, TimeQuality(pack.time_quality), (pack.boot, pack.sequence), report.signed)
            known = self._cells.get((pack.device, reading.channel))
            if known is None and len(self._cells) >= _MAX_CELLS:
                self.full = True
                continue
            if known is None or known.place <= cell.place:
                self._cells[pack.device, reading.channel] = cell
        while len(self._cells) > _MAX_CELLS:
            del self._cells[next(iter(self._cells))]

    def rows(self, now_ms: int, width: int) -> list[str]:
        """The table's lines, none longer than `width`, heading first."""
        wide = width >= _WIDE
        longest = max((len(device) for device, _ in self._cells), default=0)
        widths = [min(max(longest, 6), 20 if wide else 11), *_WIDTHS]
        lines = [_row([*_HEADING, "aggregates"] if wide else _HEADING, widths)]
        for (device, channel), cell in sorted(self._cells.items()):
            base, _, aggregate = channel.rpartition(".")
            if aggregate in _AGGREGATES and (device, base) in self._cells:
                continue
            reading = cell.reading
            fields = [device, channel, _value(reading), reading.unit, _quality(reading)]
            fields += [_age(cell, now_ms), _verified(cell.signed)]
            if wide:
                fields.append(self._aggregates(device, channel))
            lines.append(_row(fields, widths))
        return [_cut(line, width) for line in lines]

    def _aggregates(self, device: str, channel: str) -> str:
        found = ((name, self._cells.get((device, f"{channel}.{name}"))) for name in _AGGREGATES)
        return "  ".join(f"{name} {_value(cell.reading)}" for name, cell in found if cell)


def screen(
    account: SiteAccount, table: LiveTable, title: str, state: str, now_ms: int, size: tuple[int, int]
) -> list[str]:
    """Exactly as many lines as fit `size` (columns, rows). Rows that do not fit take turns, four seconds each."""
    width, height = size
    heading, *rows = table.rows(now_ms, width)
    room = max(1, height - _FRAME_LINES)
    pages = max(1, -(-len(rows) // room))
    page = now_ms // 4000 % pages
    note = f"page {page + 1} of {pages}, a taller window shows all; Ctrl-C ends" if pages > 1 else "Ctrl-C ends"
    note += f"; only the first {_MAX_CELLS:,} channels are shown" if table.full else ""
    lines = [f"{title}   {state}", _counts(account), heading, *rows[page * room : (page + 1) * room]]
    lines += [""] * (height - 1 - len(lines)) + [note]
    return [_cut(line, width) for line in lines[:height]]


def report_line(report: VerifiedPack) -> str:
    """One line for one report."""
    pack = report.pack
    first = pack.readings[0]
    plain = [reading for reading in pack.readings if reading.channel.rpartition(".")[2] not in _AGGREGATES]
    shown = [f"{r.channel} {_value(r)} {r.unit}" for r in (plain or pack.readings)[:_MAX_SHOWN]]
    if len(pack.readings) > len(shown):
        shown.append(f"and {len(pack.readings) - len(shown)} more")
    when = _clock_time(first.time_ms, TimeQuality(pack.time_quality))
    line = f"{when} {pack.device} {pack.boot}/{pack.sequence} [{_verified(report.signed)}] {', '.join(shown)}"
    return printable(line, _LONGEST)


def summary(account: SiteAccount, title: str, width: int = 80) -> list[str]:
    """The account on one screen, the verdict last."""
    lines = [f"Account of {title}"]
    add = lines.append
    add(f"  packs         {account.packs:,} from {len(account.devices)} devices"
        + (f", {account.unknown:,} by keys not known here" if account.unknown else ""))
    add(f"  entries       {account.entries:,} in {account.batches:,} batches, {account.redelivered:,} redelivered")
    for origin, log in account.logs.items():
        joined = f", from entry {log.indices.first:,} on" if log.indices.first else ""
        add(f"  log           {origin}{joined}")
        add(f"  tree size     {log.size:,}")
        add(f"  root          {b64encode(log.root).decode()}")
    gaps, named = account.gaps(), account.named_losses()
    add(f"  gaps          {len(gaps)}" + (f", and {len(named)} named by the log" if named else ""))
    add(f"  duplicates    {account.duplicates}" + (", unchanged" if account.duplicates else ""))
    add(f"  not verified  {account.refused()}")
    problems = account.problems()
    lines += [f"  ! {problem}" for problem in problems[:_MAX_PROBLEMS]]
    if len(problems) > _MAX_PROBLEMS:
        add(f"  ! and {len(problems) - _MAX_PROBLEMS} more")
    if account.unknown:
        add(f"  ? {account.unknown:,} packs by keys not known here: the keys' stream is not whole")
    add("Verdict: " + verdict(account).value)
    return [_cut(line, width) for line in lines]


class Verdict(Enum):
    """The judgement in a sentence."""

    GOOD = "everything verified, nothing missing."
    NOTHING = "nothing arrived."
    NOT_ALL_KNOWN = "nothing wrong, but not everything could be verified: not all that the log said of keys is here."
    WRONG = "NOT all right, see above."
    FRAUD = "FRAUD: the log's key signed what cannot be, see above."


def verdict(account: SiteAccount) -> Verdict:
    """What the account comes to. Good: something arrived, all of it verified, and nothing is missing or twice."""
    problems = account.problems()
    if any(each.startswith("FRAUD") for each in problems):
        return Verdict.FRAUD
    if problems:
        return Verdict.WRONG
    if not account.batches:
        return Verdict.NOTHING
    return Verdict.NOT_ALL_KNOWN if account.unknown else Verdict.GOOD


def _counts(account: SiteAccount) -> str:
    size = sum(log.size for log in account.logs.values())
    missing, wrong = len(account.gaps()), account.refused()
    return (f"packs {account.packs:,}   tree size {size:,}   gaps {missing}   "
            f"duplicates {account.duplicates}   not verified {wrong}")


def _row(fields: list[str], widths: list[int]) -> str:
    """The fields in columns of these widths; what is behind the last column stands as it is."""
    columns = enumerate(zip(fields, widths, strict=False))
    cells = [_cut(text, w).rjust(w) if at in _RIGHT else _cut(text, w).ljust(w) for at, (text, w) in columns]
    return printable(" ".join([*cells, *fields[len(widths) :]]).rstrip())


def _cut(text: str, width: int) -> str:
    return printable(text, width)


def _value(reading: Reading) -> str:
    return "–" if reading.mantissa is None else format_value(reading.mantissa, reading.exponent)


def _quality(reading: Reading) -> str:
    return reading.reason or Quality(reading.quality).name.lower()


def _verified(signed: bool) -> str:
    return "yes" if signed else "log only"


def _age(cell: _Cell, now_ms: int) -> str:
    if cell.time_quality is TimeQuality.UNSYNCED:
        return "?"
    seconds = (now_ms - cell.reading.time_ms) / 1000
    if seconds <= -100:
        return "ahead"  # the device's clock is, or this one is behind
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.0f} h"


def _clock_time(time_ms: int, quality: TimeQuality) -> str:
    if quality is TimeQuality.UNSYNCED:
        return f"+{time_ms / 1000:.3f}s"
    try:
        time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)
    except OverflowError:
        return "?"
    return time.strftime("%H:%M:%S.") + f"{time_ms % 1000:03d}Z"

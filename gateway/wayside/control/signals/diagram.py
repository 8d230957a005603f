"""A phase diagram as SVG: a row per group, a bar per indication, time from left to right."""

from collections.abc import Iterable, Iterator
from datetime import datetime, tzinfo
from html import escape

from wayside.control.signals.junction import Junction
from wayside.control.signals.replay import Moment, bars

_ROW, _LEFT, _TOP, _FOOT = 22, 120, 28, 24  # pixels
_PER_S = 8
_BARS = {  # colour and height; red is a line, as on paper
    "red": ("#c0392b", 3),
    "red_amber": ("#e67e22", 10),
    "green": ("#27ae60", 14),
    "amber": ("#f1c40f", 10),
    "clearance": ("#f1c40f", 10),
}
_FLASH = ("#95a5a6", 8)


def draw(junction: Junction, moments: Iterable[Moment], zone: tzinfo, title: str) -> str:
    """The SVG document of these moments; what lies between two that are no neighbours stays empty."""
    ticks = list(moments)
    begin_ms = ticks[0].utc_ms if ticks else 0
    seconds = (ticks[-1].utc_ms - begin_ms) / 1000 + 0.1 if ticks else 0.0
    width = _LEFT + round(seconds * _PER_S) + 20
    height = _TOP + _ROW * len(junction.groups) + _FOOT
    size = f'width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">',
        f'<rect {size} fill="white"/>',
        f'<text x="8" y="18">{escape(title)}</text>',
        *_axis(begin_ms, seconds, height, zone),
    ]
    for number, group in enumerate(junction.groups):
        middle = _TOP + _ROW * number + _ROW // 2
        parts.append(f'<text x="8" y="{middle + 4}">{escape(group.name)}</text>')
        parts.extend(_bars(junction, ticks, number, begin_ms, middle))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _bars(junction: Junction, ticks: list[Moment], number: int, begin_ms: int, middle: int) -> Iterator[str]:
    for shows, from_ms, to_ms in bars(junction, ticks, number):
        colour, size = _BARS.get(shows, _FLASH)
        x = _LEFT + (from_ms - begin_ms) / 1000 * _PER_S
        length = (to_ms - from_ms) / 1000 * _PER_S
        yield f'<rect x="{x:.1f}" y="{middle - size / 2}" width="{length:.1f}" height="{size}" fill="{colour}"/>'


def _axis(begin_ms: int, seconds: float, height: int, zone: tzinfo) -> Iterator[str]:
    """A line and the local time every ten seconds."""
    first = -begin_ms // 1000 % 10
    for second in range(first, int(seconds) + 1, 10):
        x = _LEFT + second * _PER_S
        stamp = datetime.fromtimestamp(begin_ms // 1000 + second, zone)
        yield f'<line x1="{x}" y1="{_TOP}" x2="{x}" y2="{height - _FOOT}" stroke="#dddddd"/>'
        yield f'<text x="{x}" y="{height - 8}" text-anchor="middle" font-size="10">{stamp:%H:%M:%S}</text>'

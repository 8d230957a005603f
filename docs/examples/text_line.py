"""An example of a source in one file: a device that answers "READ" with a line of values, "temperature=21.5 level=140".

Put beside the others in gateway/wayside/south/adapters, it is the kind `text_line`; nothing else has to be changed:

    [[adapter]]
    device = "tank-1"
    kind = "text_line"
    options = { endpoint = "tcp://192.168.1.20:4000", channels = { temperature = "Cel", level = "cm" }, every_s = 10 }
"""

import asyncio
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from operator import attrgetter
from typing import Annotated

from pydantic import Field
from wayside import endpoint
from wayside.clock import Clock
from wayside.endpoint import TcpEndpoint
from wayside.reading import Reading
from wayside.south.adapters import Report
from wayside.table import ChannelName, Table, Written
from wayside_wire.pack import BAD, GOOD

_ANSWER_S = 5.0
_MOST = 1000  # characters of a line
_VALUE = re.compile(r"-?\d{1,15}(\.\d{1,9})?", re.ASCII)


def _place(text: str) -> TcpEndpoint:
    place = endpoint.parse(text)
    if not isinstance(place, TcpEndpoint) or place.is_rtu:
        raise ValueError('write "tcp://HOST:PORT"')
    return place


class Settings(Table):
    """channels: the unit of each, by the name that it has in the line. every_s: how often it is asked and reports."""

    endpoint: Annotated[TcpEndpoint, Written(_place, attrgetter("text"))]
    channels: dict[ChannelName, Annotated[str, Field(pattern="^[ -~]{1,12}$")]] = Field(min_length=1, max_length=50)
    every_s: float = Field(10.0, ge=0.1, le=86_400)


def decode(line: str, name: str) -> tuple[int | None, int, str]:
    """(mantissa, exponent, "") of a channel in a line, or (None, 0, reason). No float: 21.50 is 2150 * 10**-2."""
    found = [text for key, _, text in (word.partition("=") for word in line.split()) if key == name]
    if not found:
        return None, 0, "not in the answer"
    if len(found) > 1 or not _VALUE.fullmatch(found[0]):
        return None, 0, "not understood"
    exponent = -len(found[0].partition(".")[2])
    return int(Decimal(found[0]).scaleb(-exponent)), exponent, ""


def open_adapter(settings: Settings, clock: Clock, report: Report) -> "TextLine":
    """See wayside.south.adapters."""
    return TextLine(settings, clock, report)


class TextLine:
    """Asks on a new connection each time: what came late for an earlier question is never the answer to this one."""

    def __init__(self, settings: Settings, clock: Clock, report: Report):
        self.counters: Counter[str] = Counter()
        self._settings = settings
        self._clock = clock
        self._report = report

    async def run(self) -> None:
        while True:
            self._report(await self._read())
            await asyncio.sleep(self._settings.every_s)

    async def _read(self) -> Sequence[Reading]:
        try:
            async with asyncio.timeout(_ANSWER_S):
                line, trouble = await self._ask(), ""
        except (OSError, TimeoutError, ValueError):
            line, trouble = "", "no answer"
        self.counters[trouble or "answers"] += 1
        found = []
        for channel, unit in self._settings.channels.items():
            mantissa, exponent, reason = (None, 0, trouble) if trouble else decode(line, channel)
            quality = BAD if mantissa is None else GOOD
            found.append(Reading(channel, unit, mantissa, exponent, quality, reason, self._clock.utc_ms()))
        return found

    async def _ask(self) -> str:
        """A whole line; OSError or ValueError when none comes: one that was cut off may be a part of a number."""
        host, port, *_ = self._settings.endpoint
        reader, writer = await asyncio.open_connection(host, port, limit=_MOST)
        with closing(writer):
            writer.write(b"READ\n")
            line = await reader.readline()
        if not line.endswith(b"\n"):
            raise ConnectionError("the connection ended within the line")
        return line.decode("ascii")

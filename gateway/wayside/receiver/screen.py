"""Puts the receiver's view where it belongs: redrawn in place on a terminal, a line per report anywhere else."""

import asyncio
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from wayside.text.printable import controlled

from .account import SiteAccount, VerifiedPack
from .view import LiveTable, report_line, screen

_REDRAW_S = 0.25
# ECMA-48 control sequences, and the alternate screen of xterm, which every terminal in use knows.
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _END_OF_LINE = "\x1b[H", "\x1b[K"
_UNDERLINED, _PLAIN = "\x1b[4m", "\x1b[m"
_HEADING = 2  # its line


def _utc_ms() -> int:
    return time.time_ns() // 1_000_000


class Screen:
    """Shows reports on `out`; on the alternate screen, so that what stood in the terminal before comes back."""

    def __init__(self, out: TextIO, title: str, utc_ms: Callable[[], int] = _utc_ms) -> None:
        self._out = controlled(out)
        self._title = title
        self._utc_ms = utc_ms
        self._table = LiveTable()
        self._in_place = out.isatty() and os.environ.get("TERM", "dumb") != "dumb"

    def take(self, report: VerifiedPack) -> None:
        """Show one report."""
        self._table.take(report)
        if not self._in_place:
            self._out.write(report_line(report) + "\n")
            self._out.flush()

    async def run(self, account: SiteAccount, state: Callable[[], str]) -> None:
        """Redraw until cancelled; without a terminal there is nothing to do but wait."""
        if not self._in_place:
            await asyncio.Event().wait()
        with self._alternate():
            while True:
                size = shutil.get_terminal_size()
                lines = screen(account, self._table, self._title, state(), self._utc_ms(), (size.columns, size.lines))
                lines[_HEADING] = _UNDERLINED + lines[_HEADING] + _PLAIN
                self._out.write(_HOME + "\r\n".join(line + _END_OF_LINE for line in lines))
                self._out.flush()
                await asyncio.sleep(_REDRAW_S)

    @contextmanager
    def _alternate(self) -> Iterator[None]:
        self._out.write(_ENTER)
        try:
            yield
        finally:
            self._out.write(_LEAVE)
            self._out.flush()

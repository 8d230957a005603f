"""An example of a kind of sink in one file: each report as a line of a text file, url = "file://localhost/PATH".

It has an option of its own: `options = {is_synced = false}` leaves it to the kernel when a line is on the disk.

Put beside the others in gateway/wayside/north/sinks, it is the kind `text-file`; nothing else has to be changed.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from wayside.net.far_side import Unreachable
from wayside.north import sinks
from wayside.north.json_report import as_json
from wayside.north.report import reports
from wayside.north.sink import Batch, Lost, SinkLog
from wayside.settings.table import Table


class Options(Table):
    """is_synced: a line is on the disk before its entry counts as delivered."""

    is_synced: bool = True


class Kind(sinks.SinkKind):
    Options = Options
    schemes = ("file",)
    example = "file://localhost/PATH"

    def check(self, url: str) -> str:
        if urlsplit(url).netloc != "localhost" or urlsplit(url).path in ("", "/"):
            raise ValueError(f'write "{self.example}": a file of this machine')
        return url

    def make(self, far_side: sinks.FarSide, log: SinkLog) -> "TextFile":
        return TextFile(Path(urlsplit(far_side.url).path), far_side.options.is_synced, log)


class TextFile:
    """A line may come twice: a sink delivers at least once."""

    def __init__(self, path: Path, is_synced: bool, log: SinkLog):
        self._path = path
        self._is_synced = is_synced
        self._log = log

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Lost]:
        async def lost() -> None:
            await asyncio.Event().wait()  # a file has no connection that could break

        yield lost

    async def send(self, batch: Batch) -> None:
        lines = [as_json(each) + "\n" for each in reports(self._log.origin, batch.records)]
        try:
            await asyncio.to_thread(self._append, "".join(lines))
        except OSError as error:
            raise Unreachable(f"{self._path}: {error.strerror}") from None

    def _append(self, text: str) -> None:
        with self._path.open("a") as file:
            file.write(text)
            if self._is_synced:
                file.flush()
                os.fsync(file.fileno())

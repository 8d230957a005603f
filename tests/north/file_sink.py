"""A sink in thirty lines: appends reports to a file. Passes the conformance suite, as any new sink has to."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from wayside.net.far_side import Rejected, Unreachable
from wayside.north.json_report import as_json
from wayside.north.report import reports
from wayside.north.sink import Batch, Lost, SinkLog


class FileSink:
    def __init__(self, path: Path, log: SinkLog, largest: int | None = None):
        self._path, self._log, self._largest = path, log, largest

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Lost]:
        yield asyncio.Event().wait  # type: ignore[misc]

    async def send(self, batch: Batch) -> None:
        lines = [as_json(each) for each in reports(self._log.origin, batch.records)]
        if self._largest and any(len(line) > self._largest for line in lines):
            raise Rejected(f"a line has more than {self._largest} characters")
        try:
            with self._path.open("a") as file:
                file.writelines(f"{line}\n" for line in lines)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise Unreachable(f"{self._path}: {error.strerror}") from None

"""A gateway's daemon in the test's own process, and what its log holds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from wayside.daemon.daemon import Daemon
from wayside.evidence import kinds
from wayside.evidence.entry import Entry, decode_entry
from wayside.evidence.stream import device_stream
from wayside.log import LogReader
from wayside.runtime.clock import SystemClock
from wayside.site import config
from wayside.values.reading import Pack
from wayside_wire.pack import open_pack


@asynccontextmanager
async def running(folder: Path, text: str) -> AsyncIterator[Daemon]:
    path = folder / "site.toml"
    path.write_text(text)
    daemon = Daemon(config.load(path), path, SystemClock())
    task = asyncio.create_task(daemon.run())
    try:
        await daemon.ready.wait()
        yield daemon
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def entries(folder: Path) -> list[Entry]:
    log = LogReader(folder / "state" / "log")
    found = [decode_entry(record.entry) for record in log.records(0, log.size)]
    log.close()
    return found


def packs(folder: Path, device: str) -> list[Pack]:
    found = [each.body for each in entries(folder) if each.stream == device_stream(device)]
    return [open_pack(body.raw, lambda *_: True)[0] for body in found if isinstance(body, kinds.PackBody)]

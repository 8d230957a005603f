"""The gateway in hurried time: `python tools/soak_gateway.py SITE SCALE BEGAN STEP_MS`, for tools/soak.py.

What runs is `wayside run` itself, wired with another clock: time.monotonic is SCALE times as fast from before anything
is imported, and the event loop waits accordingly shorter, so every poll, time-out, back-off and commit takes its part
of a simulated day. Answers of meters and brokers take as long as they do, which is to the gateway SCALE times as long.

Each line on stdin, a JSON object, changes the world: step_ms (the wall clock is set), time_quality, slow_disk_s.
"""

import asyncio
import json
import logging
import os
import selectors
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_SCALE = float(sys.argv[2])
_monotonic = time.monotonic
time.monotonic = lambda: _monotonic() * _SCALE

from wayside.daemon.sd_notify import Notifier  # noqa: E402
from wayside.daemon.service import keep_running  # noqa: E402
from wayside.log.store import LogStore  # noqa: E402  (after the clock)
from wayside.values.reading import TimeQuality  # noqa: E402

BEGAN_UTC_MS = 1_800_000_000_000


class World:
    """A clock that can be set, and a disk that can be slow."""

    def __init__(self, began: float, step_ms: int):
        self._began = began
        self.step_ms = step_ms
        self.quality = TimeQuality.SYNCED
        self.slow_disk_s = 0.0

    def utc_ms(self) -> int:
        return BEGAN_UTC_MS + int(1000 * (time.monotonic() - self._began)) + self.step_ms

    def monotonic(self) -> float:
        return time.monotonic()

    def time_quality(self) -> TimeQuality:
        return self.quality

    def change(self, change: dict[str, float]) -> None:
        self.step_ms = int(change.get("step_ms", self.step_ms))
        self.quality = TimeQuality(change.get("time_quality", self.quality))
        self.slow_disk_s = change.get("slow_disk_s", self.slow_disk_s)


class _Hurried(selectors.DefaultSelector):
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(timeout / _SCALE if timeout else timeout)


def _slow(world: World) -> None:
    """Every commit takes `slow_disk_s` longer, on the log's thread as a slow disk would have it."""
    commit = LogStore.transaction

    @contextmanager
    def transaction(self: LogStore) -> Iterator[None]:
        with commit(self):
            yield
            time.sleep(world.slow_disk_s / _SCALE)

    LogStore.transaction = transaction  # type: ignore[method-assign]


async def _run(site: Path, world: World) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    loop.add_reader(sys.stdin, lambda: _hear(world))
    with suppress(asyncio.CancelledError):
        await keep_running(site, world, Notifier(os.environ))


def _hear(world: World) -> None:
    line = sys.stdin.readline()
    if line:
        world.change(json.loads(line))
    else:
        asyncio.get_running_loop().remove_reader(sys.stdin)


def main() -> None:
    site, began, step_ms = Path(sys.argv[1]), float(sys.argv[3]), int(sys.argv[4])
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    world = World(began, step_ms)
    _slow(world)
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(_Hurried())) as runner:
        runner.run(_run(site, world))


if __name__ == "__main__":
    main()

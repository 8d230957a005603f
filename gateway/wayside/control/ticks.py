"""A loop of ten ticks a second beside one serial line."""

import select
import time
from collections.abc import Callable

from wayside.control.head_line import HeadPort

TICK_S = 0.1


def run(
    port: HeadPort, heard: Callable[[float], None], tick: Callable[[float], None], stopped: Callable[[], bool]
) -> None:
    """Until `stopped()`: `heard` when the port has something, `tick` every 100 ms; both get monotonic seconds.

    A late tick moves those behind it: two are never closer than 100 ms, so no time that ticks count comes out short.
    """
    due = time.monotonic()
    while not stopped():
        readable, _, _ = select.select([port], [], [], max(0.0, due - time.monotonic()))
        now = time.monotonic()
        if readable:
            heard(now)
        if now >= due:
            tick(now)
            due = now + TICK_S

"""A controller or monitor as a service: its loop until SIGTERM, and what the service manager hears of it.

A sign of life follows ticks that came through. A tick waits for nobody: the disk is another thread's, the line never
blocks. So one that does not come through is stuck, and starting again is what helps; the node flashes meanwhile.
"""

import faulthandler
import os
import signal
import threading
from collections.abc import Callable

from wayside.control import ticks
from wayside.control.head_line import HeadPort
from wayside.daemon.sd_notify import Notifier

_EVERY_S = 5.0  # between words to a manager that wants no sign of life


def serve(port: HeadPort, heard: Callable[[float], None], tick: Callable[[float], str]) -> None:
    """Until SIGTERM: `heard` and `tick` as ticks.run calls them; what `tick` returns is the status for people."""
    faulthandler.enable()  # a watchdog ends what is stuck with SIGABRT: then the journal shows where it was
    notifier = Notifier(os.environ)
    stopped = threading.Event()

    def stop(*_: object) -> None:
        notifier.stopping()
        stopped.set()

    signal.signal(signal.SIGTERM, stop)
    ticks.run(port, heard, telling(notifier, tick), stopped.is_set)


def telling(notifier: Notifier, tick: Callable[[float], str]) -> Callable[[float], None]:
    """`tick`, and after it, three times within the manager's patience, a word to the manager."""
    every_s = notifier.watchdog_s / 3 if notifier.watchdog_s else _EVERY_S
    due: float | None = None

    def run(now: float) -> None:
        nonlocal due
        status = tick(now)
        if due is None:
            notifier.ready()
        if due is None or now >= due:
            notifier.status(status)
            notifier.alive()
            due = now + every_s

    return run

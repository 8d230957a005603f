"""What feeds the watchdog while no application does, so that a board never stays behind: frozen into every image.

It begins before Ctrl-C counts: on an RP2040 before its USB is there (boot.py), on an ESP32 in _boot.py. It goes on
behind every end of the application. It ends in a reset; a technician has the prompt until then.
"""

import sys
import time

import machine
from machine import WDT, Timer
from micropython import const, kbd_intr

_LONGEST_MS = const(8388)  # RP2040 datasheet section 4.7; long enough for the ESP32, too
_LOOK_MS = const(500)  # the shortest watchdog that a configuration may ask for has 1000
_START_MS = const(30000)  # until the application feeds, with all journals read
_PROMPT_MS = const(600000)

_feed = None
_end = None  # when the care ends, as ticks; None: the application feeds
_timer = None


def begin() -> None:
    """Before everything else, with Ctrl-C off: for whoever has the prompt next. A soft reset comes here, too."""
    global _feed, _timer
    _feed = WDT(timeout=_LONGEST_MS).feed
    _hold(_PROMPT_MS)
    _timer = Timer(0) if sys.platform == "esp32" else Timer()
    _timer.init(period=_LOOK_MS, callback=_look)


def watchdog(timeout_ms: int):
    """From here on the application feeds; returns its feed()."""
    global _end
    feed = WDT(timeout=timeout_ms).feed
    _end = None
    return feed


def busy(span_ms: int) -> None:
    """The application does something long and cannot feed: it is fed here, for so long at most. 0: it feeds again."""
    global _end
    _feed()
    _end = time.ticks_add(time.ticks_ms(), span_ms) if span_ms else None


def run(start, prompt: bool = True) -> bool:
    """Run start(), which returns an exit status, and has half a minute until it calls watchdog(), or busy() for more.
    True: by Ctrl-C or with status 0 somebody wants the prompt; False: it cannot run, or has raised. The board resets
    ten minutes later.

    prompt: False for an application behind which nobody has the prompt: the watchdog that it started bites.
    """
    wanted = True
    done = False
    try:
        _hold(_START_MS)
        wanted = start() == 0
    except KeyboardInterrupt:
        pass
    except BaseException as error:  # whatever it is
        wanted = False
        sys.print_exception(error)
    while not done:  # somebody may type Ctrl-C once more
        try:
            kbd_intr(-1)
            if prompt or _end is not None:
                WDT(timeout=_LONGEST_MS)
                _hold(_PROMPT_MS)
            done = True
        except KeyboardInterrupt:
            pass
    return wanted


def _hold(span_ms: int) -> None:
    global _end
    _feed()
    _end = time.ticks_add(time.ticks_ms(), span_ms)


def _look(timer) -> None:
    if _end is None:
        return
    if time.ticks_diff(_end, time.ticks_ms()) <= 0:
        machine.reset()
    _feed()

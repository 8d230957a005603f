"""Messages about what strangers send, few however much they send.

Of each source the first is written at once; what follows is counted and told once a minute with the newest reason, and
a last line says when it is over. So nobody fills the journal, and nobody hides from it. Imports `printable` only.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable

from wayside.text.printable import printable

EVERY_S = 60.0
_SOURCES = 64  # that are told apart at once; what else there is counts as one
_OTHERS = "others"


class _Episode:
    def __init__(self, now_s: float):
        self.told_s = now_s
        self.more = 0  # since something was told
        self.all = 1
        self.last = ""


class Complaints:
    """Where a part of the gateway says what is wrong with what it was sent. Any thread may."""

    def __init__(
        self, logger: logging.Logger, every_s: float = EVERY_S, monotonic: Callable[[], float] = time.monotonic
    ):
        self._logger = logger
        self._every_s = every_s
        self._monotonic = monotonic
        self._episodes: dict[str, _Episode] = {}
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None  # which has been asked to look

    def say(self, source: str, text: object, level: int = logging.WARNING, with_trace: bool = False) -> None:
        """`source` sent something and `text` says what is wrong with it; both may be of its own choice.

        `with_trace`: with the first, the exception that is being handled.
        """
        source, text = printable(source, 80), printable(text)
        with self._lock:
            self._look()
            if source not in self._episodes and len(self._episodes) >= _SOURCES:
                source = _OTHERS
            episode = self._episodes.get(source)
            if episode:
                episode.more += 1
                episode.all += 1
                episode.last = text
                return
            self._episodes[source] = _Episode(self._monotonic())
            self._wake()
        self._logger.log(level, "%s: %s", source, text, exc_info=with_trace)

    def _wake(self) -> None:
        """Have the event loop look, if there is one; in another thread the next message looks after those before."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if self._loop is not loop:
            self._loop = loop
            loop.call_later(self._every_s, self._on_time)

    def _on_time(self) -> None:
        with self._lock:
            self._loop = None
            self._look()
            if self._episodes:
                self._wake()

    def _look(self) -> None:
        """Tell what has come since it was told, and what has ended."""
        now_s = self._monotonic()
        for source, episode in list(self._episodes.items()):
            if now_s - episode.told_s < self._every_s:
                continue
            if episode.more:
                self._logger.warning("%s: %d more like this; the last: %s", source, episode.more, episode.last)
                episode.more, episode.told_s = 0, now_s
            else:
                del self._episodes[source]
                if episode.all > 1:
                    self._logger.warning("%s: no more of this; it was %d in all", source, episode.all)

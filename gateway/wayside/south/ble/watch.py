"""Keeps a scan alive: BlueZ may vanish, the adapter may be reset, and a scan may simply stop hearing, after days.

The last is seen by silence alone: in a street there is always something on the air. Each start, silence and error is
counted.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial
from random import Random

from wayside.runtime.backoff import Backoff
from wayside.runtime.pulse import OUTSIDE_S, Pulse
from wayside.south.ble.scanner import Advert, OnAdvert, Scanner, ScannerError

_BACKOFF_S = (1.0, 60.0)
_CALL_S = 20.0  # BlueZ may not answer at all
_STOP_S = 3.0  # who stops the gateway waits for it


class BleWatch:
    """One adapter. `counters`: starts, silences, errors, resets."""

    def __init__(
        self,
        make: Callable[[], Scanner],
        on_advert: OnAdvert,
        silence_s: float = 120.0,
        backoff_s: tuple[float, float] = _BACKOFF_S,
    ):
        """silence_s: without any advertisement for so long, the scan is taken for dead."""
        self.counters: Counter[str] = Counter()
        self.last_error = ""
        """Why nothing is heard, "" while the scan runs."""
        self._make = make
        self._on_advert = on_advert
        self._silence_s = silence_s
        self._backoff = Backoff(*backoff_s, Random())
        self._longest_wait_s = backoff_s[1]
        self._heard = asyncio.Event()
        self._silences = 0  # in a row
        self._scanner: Scanner | None = None  # which scans
        self._turns = 0

    def pulse(self, name: str) -> Pulse:
        """Of run(), as the task `name`. A scan that hears nothing is begun again, so it goes round all the same."""
        within_s = self._silence_s + self._longest_wait_s + OUTSIDE_S
        return Pulse(name, lambda: (self._turns, self.counters["adverts"]), within_s=within_s)

    async def run(self) -> None:
        """Scan until cancelled."""
        while True:
            self._turns += 1
            heard_before = self.counters["adverts"]
            try:
                await self._scan()
            except (ScannerError, TimeoutError) as error:
                self.counters["errors"] += 1
                self.last_error = str(error) or "no answer"
            if self.counters["adverts"] > heard_before:
                self._backoff.reset()
            await asyncio.sleep(self._backoff.next_s())

    async def _scan(self) -> None:
        """One scan, until it goes silent."""
        scanner = self._make()
        try:
            async with asyncio.timeout(_CALL_S):
                if self._silences > 1:  # starting again alone did not help
                    self.counters["resets"] += 1
                    await scanner.reset()
                self._scanner = scanner
                await scanner.start(partial(self._take, scanner))
            self.counters["starts"] += 1
            self.last_error = ""
            await self._until_silent()
        finally:
            self._scanner = None
            await self._stop(scanner)

    async def _until_silent(self) -> None:
        while True:
            self._heard.clear()
            try:
                async with asyncio.timeout(self._silence_s):
                    await self._heard.wait()
            except TimeoutError:
                self._silences += 1
                self.counters["silences"] += 1
                return

    async def _stop(self, scanner: Scanner) -> None:
        try:
            async with asyncio.timeout(_STOP_S):
                await scanner.stop()
        except (ScannerError, TimeoutError):
            self.counters["stops failed"] += 1

    def _take(self, scanner: Scanner, advert: Advert) -> None:
        if scanner is not self._scanner:
            return  # one that could not be stopped goes on hearing
        self.counters["adverts"] += 1
        self._silences = 0
        self._heard.set()
        self._on_advert(advert)

"""How long to wait before something is tried again, for everything that tries again. Imports nothing of the gateway.

Exponential back-off with full jitter: a thousand gateways that lost one broker do not come back in step.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random


class Backoff:
    """Waits drawn evenly from 0 to a ceiling that doubles with every failure, from `first_s` up to `most_s`.

    To have connected is no success yet: a far side that takes a connection and ends it at once would be asked without
    end. The waits are short again after `reset`, when something was achieved, or when what was connected has held.
    """

    def __init__(self, first_s: float, most_s: float, random: Random | None):
        """random: None where nobody else tries at the same moment; then each wait is the ceiling itself."""
        self._first_s = first_s
        self._most_s = most_s
        self._random = random
        self._failures = 0

    def reset(self) -> None:
        """Something went well: the next wait is short again."""
        self._failures = 0

    @contextmanager
    def holding(self, now_s: Callable[[], float]) -> Iterator[None]:
        """What is connected holds as long as the block; now_s: a clock that never jumps.

        To have held longer than the longest wait is as good as a success.
        """
        since_s = now_s()
        try:
            yield
        finally:
            if now_s() - since_s > self._most_s:
                self.reset()

    def next_s(self, most_s: float | None = None) -> float:
        """Seconds to wait after one more failure; `most_s` replaces the ceiling's limit this once."""
        doubled_s = self._first_s * float(2 ** min(self._failures, 30))
        self._failures += 1
        ceiling_s = min(doubled_s, self._most_s if most_s is None else most_s)
        return self._random.uniform(0.0, ceiling_s) if self._random else ceiling_s

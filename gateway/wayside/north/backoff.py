"""Exponential back-off with full jitter: a thousand gateways that lost one broker do not come back in step."""

from random import Random


class Backoff:
    """Waiting times drawn evenly from 0 to a ceiling that doubles with every failure, from `first_s` up to `most_s`."""

    def __init__(self, random: Random, first_s: float = 0.1, most_s: float = 1.0) -> None:
        self._random = random
        self._first_s = first_s
        self._most_s = most_s
        self._failures = 0

    def reset(self) -> None:
        """Something went well: the next wait is short again."""
        self._failures = 0

    def next_s(self, most_s: float | None = None) -> float:
        """Seconds to wait after one more failure; `most_s` replaces the ceiling's limit this once."""
        ceiling_s = self._first_s * float(2 ** min(self._failures, 30))
        self._failures += 1
        return self._random.uniform(0.0, min(ceiling_s, self._most_s if most_s is None else most_s))

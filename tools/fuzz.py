"""Fuzzes the readers of strangers' bytes for longer: `fuzz.py SECONDS [TARGET ...]`, by default all of them in turn.

Guided by what is reached: an input that comes to a new line becomes a seed of the next ones, and is kept in
tests/attacks/corpus, which every test run replays, if it is small and no smaller one comes to the same lines. What
breaks a reader is kept for ever, and ends the run with status 1.
"""

import contextlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from attacks.fuzzing import SEEDS, TARGETS, keep, kept, mutate, read  # noqa: E402

WATCHED = ("wayside_wire", "wayside_node", f"wayside{os.sep}evidence", f"wayside{os.sep}witness", f"south{os.sep}ble")
KEPT_BYTES = 1500
ROUND = 200  # inputs of one target before the next has its turn

Lines = set[tuple[str, int]]


class Watch:
    """The lines that have been reached, in the modules that read."""

    def __init__(self) -> None:
        self.lines: Lines = set()
        self._watched: dict[str, bool] = {}

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        sys.settrace(self._call)
        try:
            yield
        finally:
            sys.settrace(None)

    def _call(self, frame: FrameType, _event: str, _arg: Any) -> Callable[..., Any] | None:
        path = frame.f_code.co_filename
        if path not in self._watched:
            self._watched[path] = any(part in path for part in WATCHED)
        return self._line if self._watched[path] else None

    def _line(self, frame: FrameType, event: str, _arg: Any) -> Callable[..., Any]:
        if event == "line":
            self.lines.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line


class Fuzzer:
    """One target, its seeds and what it has reached."""

    def __init__(self, name: str, random: Random):
        self.name = name
        self.tried = 0
        self._random = random
        self._watch = Watch()
        self._seeds = [*SEEDS[name], *(read(path) for target, path in kept() if target == name)]
        for seed in self._seeds:
            self._reaches(seed)

    @property
    def reached(self) -> int:
        return len(self._watch.lines)

    def run(self, count: int) -> None:
        """Try `count` inputs; any error of the target comes out, after its input has been kept."""
        for _ in range(count):
            data = mutate(self._seeds, self._random)
            self.tried += 1
            try:
                new = self._reaches(data)
            except Exception:
                print(f"{self.name}: broken by {keep(self.name, data, 'broke')}", flush=True)
                raise
            if new:
                self._seeds.append(data)

    def keep(self) -> int:
        """Leave in the corpus the smallest inputs that come to what all of them come to; how many those are."""
        for target, path in kept():
            if target == self.name and "-reached-" in path.name:
                path.unlink()
        self._watch.lines.clear()
        for seed in SEEDS[self.name]:
            self._reaches(seed)
        small = sorted((seed for seed in self._seeds if len(seed) <= KEPT_BYTES), key=len)
        return len([keep(self.name, seed, "reached") for seed in small if self._reaches(seed)])

    def _reaches(self, data: bytes) -> bool:
        """Whether it comes to a new line."""
        before = self.reached
        with self._watch.watching():
            TARGETS[self.name](data)
        return self.reached > before


def main() -> int:
    if len(sys.argv) < 2 or not sys.argv[1].isdigit() or set(sys.argv[2:]) - set(TARGETS):
        print(f"fuzz.py SECONDS [TARGET ...]; targets: {', '.join(TARGETS)}", file=sys.stderr)
        return 2
    number = int.from_bytes(os.urandom(4), "big")
    print(f"random numbers from {number}", flush=True)
    random = Random(number)
    fuzzers = [Fuzzer(name, random) for name in sys.argv[2:] or TARGETS]
    end_s = time.monotonic() + int(sys.argv[1])
    try:
        while time.monotonic() < end_s:
            for fuzzer in fuzzers:
                fuzzer.run(ROUND)
    except Exception:
        traceback.print_exc()
        return 1
    finally:
        for fuzzer in fuzzers:
            reached = fuzzer.reached
            print(f"{fuzzer.name:<13} {fuzzer.tried:>8} inputs, {reached:>5} lines, {fuzzer.keep():>3} kept")
    return 0


if __name__ == "__main__":
    sys.exit(main())

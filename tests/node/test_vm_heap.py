"""The whole node in the VM: its heap does not grow, whatever the number of polls."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

BENCH = Path(__file__).parents[2] / "tools" / "bench_node.py"
NOISE_BYTES = 1024  # a leak of one 32-byte block per report would be 25 KiB


def test_heap_after_thousands_of_polls(micropython: Path, share: Callable[[int, int], int]) -> None:
    polls = share(4_000, 10_000)
    spec = importlib.util.spec_from_file_location("bench_node", BENCH)
    assert spec and spec.loader
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    result = bench.measure(micropython, polls)
    assert result["polls"] >= polls
    assert result["packs"] > polls / 10
    assert result["restarts"] == 0
    assert result["heap_late"] - result["heap_early"] < NOISE_BYTES

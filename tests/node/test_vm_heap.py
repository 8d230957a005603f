"""The whole node in the VM: its heap does not grow, whatever the number of polls."""

import importlib.util
from pathlib import Path

BENCH = Path(__file__).parents[2] / "tools" / "bench_node.py"
POLLS = 10_000
NOISE_BYTES = 1024  # a leak of one 32-byte block per report would be 25 KiB


def test_heap_after_ten_thousand_polls(micropython: Path) -> None:
    spec = importlib.util.spec_from_file_location("bench_node", BENCH)
    assert spec and spec.loader
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    result = bench.measure(micropython, POLLS)
    assert result["polls"] >= POLLS
    assert result["packs"] > POLLS / 10
    assert result["restarts"] == 0
    assert result["heap_late"] - result["heap_early"] < NOISE_BYTES

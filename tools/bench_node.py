"""How fast and how lean the node is: on the emulated RP2040 (bench_board.py), and in the real VM on this machine."""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from wayside import profiles
from wayside.profiles.node import for_node

ROOT = Path(__file__).resolve().parent.parent
# The public key of the seed of 32 bytes of value 1, with which bench_node_vm.py plays the gateway.
GATEWAY = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"
HEAP = "416k"  # of 64 bit words, with the code in it, which on a board is in flash


def configuration(state: Path) -> dict[str, Any]:
    """A node with one SDM630, polled as fast as the bus lets it, ten polls to a report."""
    profile = for_node(profiles.load("eastron-sdm630"))
    meter = {"device": "meter-1", "port": "bus", "unit": 1, "poll_ms": 200, "report_ms": 2000, "profile": profile}
    return {"node": "node-1", "state": str(state), "gateway": GATEWAY, "link": {"port": "link"}, "meters": [meter]}


def measure(micropython: Path, polls: int) -> dict[str, Any]:
    """What tools/bench_node_vm.py says; raises SubprocessError when it fails."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "node.json"
        path.write_text(json.dumps(configuration(Path(scratch) / "state")))
        ran = subprocess.run(
            [micropython, "-X", f"heapsize={HEAP}", ROOT / "tools" / "bench_node_vm.py", path, str(polls)],
            env=os.environ | {"MICROPYPATH": f".frozen:{ROOT / 'firmware'}"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=1800,  # it ends by itself: this is for one that hangs, on a machine that others use too
        )
    result: dict[str, Any] = json.loads(ran.stdout)
    return result


def rows(result: dict[str, Any]) -> list[tuple[str, str]]:
    """The table's lines: what, and how much."""
    heap = result["stages_us"].pop("session: heap, bytes")
    return [
        ("last byte of the poll to frame on the link, p50", f"{result['last_byte_to_frame_us'] / 1000:.1f} ms"),
        *((f"  {name}", f"{time_us / 1000:.2f} ms") for name, time_us in sorted(result["stages_us"].items())),
        ("  session: heap (64 bit)", f"{heap} bytes"),
        ("CPU of a poll, reports and packs included", f"{result['poll_us'] / 1000:.1f} ms"),
        (f"heap in use after {result['polls']:,} polls (64 bit, code in it)", f"{result['heap_late'] / 1024:.1f} KiB"),
        ("  more than after a fifth of them", f"{result['heap_late'] - result['heap_early']} bytes"),
        (f"heap free of {HEAP}", f"{result['heap_free'] / 1024:.1f} KiB"),
        ("heap at its peak", f"{result['heap_peak'] / 1024:.1f} KiB"),
    ]


def board() -> None:
    """The emulated board's table, or why there is none."""
    import bench_board

    built = subprocess.run(
        [sys.executable, ROOT / "tools" / "images.py", bench_board.BOARD], stdout=subprocess.PIPE, text=True
    )
    if built.returncode:
        print(f"Node on the emulated RP2040: not measured: {built.stdout.strip()}\n")
        return
    print("Node on the emulated RP2040, SDM630 at 9600 baud, simulated time:")
    manifest = json.loads((ROOT / "dist" / f"{bench_board.BOARD}.manifest.json").read_text())
    for name, value in bench_board.rows(ROOT / "dist" / f"{bench_board.BOARD}.uf2", manifest):
        print(f"{name:64} {value:>12}")
    print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--polls", type=int, default=10_000)
    arguments = parser.parse_args()
    found = subprocess.run(
        [sys.executable, ROOT / "tools" / "virtual_board.py"], stdout=subprocess.PIPE, text=True, check=True
    )
    board()
    print(f"Node under MicroPython's unix port, {platform.machine()}, {os.cpu_count()} cores, {platform.platform()}")
    for name, value in rows(measure(Path(found.stdout.strip()), arguments.polls)):
        print(f"{name:64} {value:>12}")


if __name__ == "__main__":
    main()

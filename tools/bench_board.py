"""The real RP2040_METER image in the emulator with an SDM630 at 9600 baud: what issue 5 wants to know of a node.

All times are simulated (a Pico at 125 MHz; flash with the datasheet's typical times) and the same on every machine.
Current draw is out of scope: an emulator has none.
"""

import json
import statistics
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "hil"))

from wayside import profiles  # noqa: E402
from wayside.profiles.node import for_node  # noqa: E402
from wayside_hil.wayside.meter_node import MeterNode, configuration  # noqa: E402

BOARD = "RP2040_METER"
_PACKS = 20
_ROUNDS = 20
_GAP = "poll: last bit to the frame's first bit"
# 3.5 characters of 10 bits (8N1) at 9600 baud belong to a frame: MODBUS over Serial Line V1.02, section 2.5.1.1.
_SILENCE_MS = 35000 / 9600
_OWN = ("wayside_", "board", "main")

# The node as __main__ runs it, with one more task that looks at the heap until all is over.
_HEAP = """
import asyncio, gc, json, time, board, wayside_native
from wayside_node import config
from wayside_node.app import Node
from wayside_node.clock import NodeClock
from wayside_node.config_store import ConfigStore
from wayside_node.files import Files
from wayside_node.report_log import ReportLog
settings = config.load('/node.json')
clock = NodeClock(time.ticks_ms, time.ticks_diff, asyncio.sleep_ms, settings.holdover_ms)
files = Files(board.sync, board.sync_directory)
log = ReportLog(clock.now, print)
store = ConfigStore(files, '/node.json')
node = Node(settings, board, wayside_native, clock, files, lambda n: n // 2, log, store)
peak = 0
async def look():
    global peak
    task = asyncio.create_task(node.run())
    for _ in range(1000):
        peak = max(peak, gc.mem_alloc())
        await asyncio.sleep_ms(10)
    gc.collect()
    print(json.dumps([gc.mem_alloc(), gc.mem_free(), peak]))
    task.cancel()
asyncio.run(look())
"""

Row = tuple[str, str]


def rows(image: Path, manifest: dict[str, Any]) -> list[Row]:
    """The table's lines: what, and how much."""
    run, gap_ms = _run(image)
    steps = _steps(image)
    heap = steps.pop("session: heap, bytes")
    signature_ms, store_ms = (steps[name] / 1000 for name in ("Ed25519 sign, 430 bytes", "store a pack (sync)"))
    own_ms = gap_ms - _SILENCE_MS - signature_ms - store_ms
    return [
        *run,
        ("  of this the node's own: without silence, signature and store", f"{own_ms:.1f} ms"),
        *((f"step: {name}", f"{time_us / 1000:.1f} ms") for name, time_us in sorted(steps.items())),
        ("session: heap", f"{heap} bytes"),
        *_heap(image),
        *_sizes(manifest),
    ]


def _run(image: Path) -> tuple[list[Row], float]:
    """The lines, and the ms from the answer's last bit to the frame's first."""
    with MeterNode(image) as node:
        node.provision(configuration())
        on = node.start()
        first = node.packs(1)
        node.packs(_PACKS)
        arrived = list(node.gateway.packs.values())
        line = node.line
        polls = []
        for pack in arrived[1:]:
            answer = [item for item in line.answers if item[1] < pack.start][-1]
            request = [item for item in line.requests if item[0] < answer[0]][-1]
            polls.append((request, answer, pack))
        ms = 1e6
        parts = {
            "poll: request on the wire": [(request[1] - request[0]) / ms for request, _, _ in polls],
            "poll: silence and the meter's own time": [(answer[0] - request[1]) / ms for request, answer, _ in polls],
            "poll: answer on the wire": [(answer[1] - answer[0]) / ms for _, answer, _ in polls],
            _GAP: [(pack.start - answer[1]) / ms for _, answer, pack in polls],
            "poll: frame on the link, 115,200 baud": [(pack.end - pack.start) / ms for _, _, pack in polls],
        }
        size = statistics.median(len(pack.raw) for pack in arrived)
    releases = sorted(line.releases)
    lines = [
        ("boot to the first pack on the link, time included", f"{(first - on) / ms:,.0f} ms"),
        *((name, f"{statistics.median(times):.1f} ms") for name, times in parts.items()),
        ("pack of 3 channels with statistics", f"{size:.0f} bytes"),
        (f"driver released after the last stop bit, median of {len(releases)}", _bits(statistics.median(releases))),
        ("  at worst (10 bit times are a character)", _bits(releases[-1])),
    ]
    return lines, statistics.median(parts[_GAP])


def _bits(count: float) -> str:
    return f"{count:.2f} bits"


def _steps(image: Path) -> dict[str, int]:
    """Microseconds of each step."""
    with MeterNode(image) as node:
        node.provision(configuration(), stays_at_prompt=True)
        node.repl.run((ROOT / "tools" / "node_stages.py").read_text())
        node.repl.run("import json, board\nfrom wayside_node import config\nsettings = config.load('/node.json')")
        steps = f"stages(settings, {_ROUNDS}, board.urandom, board.sync, board.sync_directory)"
        out = node.repl.run(f"print(json.dumps(asyncio.run({steps})))", 120)
    times: dict[str, int] = json.loads(out)
    return times


def _heap(image: Path) -> list[Row]:
    found: list[Row] = []
    everything = for_node(profiles.load("eastron-sdm630"))
    for name, changes in (("3 channels", {}), (f"{len(everything['channels'])} channels", {"profile": everything})):
        with MeterNode(image) as node:
            node.provision(configuration(**changes), stays_at_prompt=True)
            *_, figures = node.repl.run(_HEAP, 60).splitlines()  # behind what the node says of itself
            rest, free, peak = json.loads(figures)
        found += [
            (f"heap used at rest, {name}", f"{rest / 1024:.0f} KiB"),
            ("  free at rest", f"{free / 1024:.0f} KiB"),
            ("  used at its peak, garbage included", f"{peak / 1024:.0f} KiB"),
        ]
    return found


def _sizes(manifest: dict[str, Any]) -> list[Row]:
    own = sum(module["bytes"] for name, module in manifest["frozen"].items() if name.startswith(_OWN))
    every = sum(module["bytes"] for module in manifest["frozen"].values())
    return [
        ("image in flash (half of the UF2 file)", f"{manifest['image']['bytes'] // 2 / 1024:.0f} KiB"),
        ("  frozen bytecode of ours", f"{own / 1024:.0f} KiB"),
        ("  frozen bytecode in all", f"{every / 1024:.0f} KiB"),
    ]

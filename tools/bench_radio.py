"""make bench-radio: bytes and airtime per reading, a frame's cost on the gateway, 500 nodes against theory."""

import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from radio_cell import Cell, delivered, theory
from radio_stages import SIX as ROWS
from radio_stages import START_S, VALUES
from wayside.runtime.clock import SystemClock
from wayside.south.lora.orders import Orders
from wayside.south.lora.receiver import LoraReceiver, Sensor
from wayside.south.lora.store import LoraStore
from wayside.south.lora.unsigned import Unsigned
from wayside_wire import bthome, lora, lora_config, pack
from wayside_wire import lora_report as wire
from wayside_wire.airtime import airtime_us

ROOT = Path(__file__).resolve().parent.parent
BOARD = "RP2040_METER"

KEY = bytes(range(16))
SIX = wire.AirProfile([wire.ReportChannel(*row) for row in ROWS])
FRAMES = 2000


def report(counter: int) -> bytes:
    time_s = START_S + 60 * counter
    readings = [
        pack.Reading(row.name, row.unit, value, row.exponent, pack.GOOD, "", 1000 * time_s)
        for row, value in zip(SIX.channels, VALUES, strict=True)
    ]
    payload = wire.encode_report(SIX, 1, pack.SYNCED, time_s, readings)
    return bytes(lora.LoraSession(KEY, SIX.digest).seal(lora.Header(lora.REPORT, False, 1, 1, counter), payload))


def head_size(reports: int) -> int:
    times = [START_S + 900 * place for place in range(reports)]
    head = wire.AirHead(300, 1000, pack.SYNCED, False, bytes(16), times, bytes(64))
    return len(wire.encode_head(head)) + lora.OVERHEAD


def reports_per_pack() -> int:
    readings = []
    for place in range(31):
        time_ms = 1000 * (START_S + 900 * place)
        readings += [
            pack.Reading(row.name, row.unit, value, row.exponent, pack.GOOD, "", time_ms)
            for row, value in zip(SIX.channels, VALUES, strict=True)
        ]
        if len(pack.split("air-quality-1", readings)) > 1:
            return place
    return 31


def sizes() -> None:
    count = reports_per_pack()
    size, head = len(report(0)), head_size(count)
    per_reading = (size + head / count) / 6
    print(f"report of six readings: {size} bytes; head over {count} reports: {head} bytes")
    print(f"bytes per reading, signature included: {per_reading:.1f}")
    for sf in (7, 9, 12):
        own, its = airtime_us(size, sf), airtime_us(head, sf)
        share = (own + its / count) / 6000
        print(f"SF{sf}: report {own / 1000:.1f} ms, head {its / 1000:.1f} ms, per reading {share:.1f} ms")
    for what, size in configuration_sizes().items():
        times = ", ".join(f"SF{sf} {airtime_us(size, sf) / 1000:.1f} ms" for sf in (7, 9, 12))
        print(f"{what}: {size} bytes: {times}")


def configuration_sizes() -> dict[str, int]:
    """Whole frames of a configuration on its way: everything named, thresholds for two channels."""
    thresholds = {"pm2.5": 50, "co2": 100}
    config = lora_config.AirConfig(300, 8, 900, 4, 9, [channel.name for channel in SIX.channels], thresholds)
    payload = lora_config.encode_config(SIX, config)
    taken = wire.AirAnswer(wire.TAKEN, pack.SYNCED, 1000 * START_S, 300, 1000, bytes(8), b"")
    status = lora_config.AirStatus(300, 300, lora_config.digest_of(payload), 300, lora_config.KEPT, 0, 0, 0)
    return {
        "answer that a pack is taken": len(wire.encode_answer(taken)) + lora.OVERHEAD,
        "the same with a configuration": len(wire.encode_answer(taken._replace(config=payload))) + lora.OVERHEAD,
        "status": len(lora_config.encode_status(status)) + lora.OVERHEAD,
    }


def cost() -> None:
    sent = [report(counter) for counter in range(FRAMES)]
    session = lora.LoraSession(KEY, SIX.digest)
    began = time.perf_counter()
    for raw in sent:
        lora.read_header(raw)
        wire.decode_report(SIX, session.open(raw))
    print(f"open and decode a report: {1e6 * (time.perf_counter() - began) / FRAMES:.0f} us")
    with tempfile.TemporaryDirectory() as folder:
        store = LoraStore(Path(folder) / "lora.db")
        sensor = Sensor("air-node", "air-1", KEY, SIX, None, list)  # type: ignore[arg-type]

        async def enter(device: str, reports: int, text: str) -> None: ...

        unsigned = Unsigned(store, enter)
        receiver = LoraReceiver(
            1, {1: sensor}, store, SystemClock(), lambda device, readings: None, Orders(store, None), unsigned
        )  # type: ignore[arg-type]

        async def hear() -> None:
            for raw in sent:
                await receiver.hear(raw)

        began = time.perf_counter()
        asyncio.run(hear())
        print(f"the same, durable: {1e6 * (time.perf_counter() - began) / FRAMES:.0f} us")
        store.close()
    data = [bthome.seal([(2, 2150), (3, 4000)], KEY, bytes(6), counter) for counter in range(FRAMES)]
    began = time.perf_counter()
    for raw in data:
        bthome.decode(bthome.open_sealed(raw, KEY, bytes(6))[1])
    print(f"open and decode a BTHome advertisement: {1e6 * (time.perf_counter() - began) / FRAMES:.0f} us")


def cells() -> None:
    count = reports_per_pack()
    size, head = len(report(0)), head_size(count)
    print("500 nodes, one channel, a report every 900 s: delivered")
    print("SF   theory   jitter 1/16   1/64    none    (start within 900 s)   all start within 10 s: 1/16    none")
    for sf in (7, 8, 9, 10):
        figures = []
        for jitter, start_s in ((62, 900), (16, 900), (0, 900), (62, 10), (0, 10)):
            cell = Cell(500, 900, airtime_us(size, sf), airtime_us(head, sf), count, jitter, start_s)
            figures.append(delivered(cell, 24, random.Random(sf)))
        spread, narrow, none, burst, worst = (f"{100 * each:5.1f} %" for each in figures)
        print(f"{sf:2d}  {100 * theory(cell):5.1f} %    {spread}   {narrow}  {none}{'':38}{burst}  {worst}")


def image(name: str) -> Path | None:
    """The board's image, built when its sources have changed; None with the reason said."""
    built = subprocess.run([sys.executable, ROOT / "tools" / "images.py", name], stdout=subprocess.PIPE, text=True)
    if built.returncode:
        print(f"on the emulated RP2040: not measured: {built.stdout.strip()}")
        return None
    sys.path.insert(0, str(ROOT / "hil"))
    return ROOT / "dist" / f"{name}.uf2"


def radio() -> None:
    """The driver's part of a frame."""
    made = image("RP2040_RADIO")
    if made is None:
        return
    import bench_radio_board

    print(f"a frame of {bench_radio_board.SIZE} bytes on the emulated RP2040_RADIO, simulated time:")
    for name, time_ms, heap, count in bench_radio_board.rows(made):
        print(f"  {name:44} {time_ms:6.1f} ms {heap:5d} bytes of heap" + (f" {count:5d} on the SPI" if count else ""))
    for role, (used, free, peak) in bench_radio_board.heaps(made):
        print(f"  heap of the role {role}: {used} KiB used and {free} free at rest, {peak} at its peak with garbage")


def board() -> None:
    """The steps of a frame on the emulated RP2040, in simulated time."""
    made = image(BOARD)
    if made is None:
        return
    from wayside_hil.wayside.meter_node import MeterNode, configuration

    with MeterNode(made) as node:
        node.provision(configuration())
        node.repl.run((ROOT / "tools" / "radio_stages.py").read_text())
        node.repl.run(
            "import json, wayside_native\nseed = bytes(32)\npublic = wayside_native.ed25519_public_key(seed)\n"
            "def sign(message):\n    return wayside_native.ed25519_sign(seed, public, message)"
        )
        found = json.loads(node.repl.run("print(json.dumps(stages(20, sign)))", 120))
    print("on the emulated RP2040 at 125 MHz, simulated time:")
    for name, (time_us, heap) in sorted(found.items()):
        print(f"  {name:34} {time_us / 1000:6.1f} ms {heap:6d} bytes of heap")


if __name__ == "__main__":
    sizes()
    cost()
    cells()
    board()
    radio()

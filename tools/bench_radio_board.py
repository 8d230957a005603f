"""A frame on the emulated RP2040_RADIO: the real driver over SPI to a modelled SX1276; all times are simulated.

The driver's work apart from the air's: what the processor does before the chip sends, and after it has heard.
"""

import json
from pathlib import Path
from typing import Any

from wayside_hil.emulator import UsbOutput
from wayside_hil.lora.air import Air, AirRadio
from wayside_hil.wayside.radio_node import RadioNode
from wayside_hil.wayside.street_node import receiver_config, sensor_config

BOARD = "RP2040_RADIO"
SIZE = 39  # a report of six readings as in a street
ROUNDS = 5
_HEARD_IN_NS = 50_000_000

_OPEN = """
import asyncio, board_lora, gc, json, time
from wayside_node.radio_config import RadioSettings
modem = board_lora.open_modem(RadioSettings("EU868", 869525, 7, 125000), {})
raw = bytes(SIZE)
def timed(step):
    gc.collect()
    before = gc.mem_alloc()
    began = time.ticks_us()
    step()
    return time.ticks_diff(time.ticks_us(), began), gc.mem_alloc() - before
def wait():
    while not modem.irq_triggered():
        pass
def send():
    prepared = timed(lambda: modem.prepare_send(raw))
    started = timed(modem.start_send)
    wait()
    print(json.dumps([prepared, started, timed(modem.poll_send)]))
def task():
    async def main():
        found.append(await modem.send(raw))
    found = []
    print(json.dumps([timed(lambda: asyncio.run(main()))]))
def hear():
    listening = timed(lambda: modem.start_recv(timeout_ms=5000))
    modem._last_irq = None
    wait()
    got = []
    polled = timed(lambda: got.append(modem.poll_recv()))
    assert bytes(got[0]) == raw and got[0].rssi == -86, got
    print(json.dumps([listening, polled]))
"""


_HEAP = b"""
import gc
from machine import Timer
peak = [0]
def look(timer):
    peak[0] = max(peak[0], gc.mem_alloc())
def tell(timer):
    gc.collect()
    print("heap", gc.mem_alloc(), gc.mem_free(), peak[0])
timers = Timer(period=20, callback=look), Timer(period=4000, callback=tell)
from wayside_node.radio_app import main
main(["--config", "/node.json"])
\x04"""
_HEAP_RUN_NS = 9_500_000_000


class Mast(AirRadio):
    """A radio that only sends."""

    def _sent(self) -> None: ...


def rows(image: Path) -> list[tuple[str, float, int, int]]:
    """(step, ms, bytes of heap, bytes on the SPI)."""
    air = Air()
    mast = Mast(air)
    with RadioNode(image, air) as node:
        node.repl.wait(b">>> ")
        node.repl.enter()
        node.repl.run(_OPEN.replace("SIZE", str(SIZE)))
        sent, sent_bytes = _run(node, "send")
        flight = air.flights[-1]
        ((total_us, awaited),), _ = _run(node, "task")

        def speak() -> None:
            mast.transmit(bytes(SIZE), flight.settings, True, 14, node.board.now + _HEARD_IN_NS)

        heard, heard_bytes = _run(node, "hear", speak)
    prepared, started, ended = sent
    listening, polled = heard
    return [
        ("before the air: packet into the chip, send", (prepared[0] + started[0]) / 1000, prepared[1] + started[1], 0),
        ("  on the air at SF7", (flight.end - flight.start) / 1e6, 0, 0),
        ("  after it", ended[0] / 1000, ended[1], sent_bytes),
        ("  send() in a task, beyond the airtime", total_us / 1000 - (flight.end - flight.start) / 1e6, awaited, 0),
        ("begin to listen", listening[0] / 1000, listening[1], 0),
        ("  a packet that was heard, out of the chip", polled[0] / 1000, polled[1], heard_bytes),
    ]


def heaps(image: Path) -> list[tuple[str, list[int]]]:
    """(role, KiB of heap used at rest, free at rest, used at the peak with garbage)."""
    found = []
    for config in (receiver_config(), sensor_config()):
        with RadioNode(image, Air()) as node:
            node.provision(config)
            node.repl.send(_HEAP)
            node.world.run_for(_HEAP_RUN_NS)
            said = b"".join(event.data for event in node.world.events if isinstance(event, UsbOutput))
        last = said[said.rindex(b"heap ") :].split(b"\r")[0]
        found.append((str(config["role"]), [int(each) // 1024 for each in last.split()[1:]]))
    return found


def _run(node: RadioNode, what: str, before: Any = None) -> tuple[list[list[int]], int]:
    """The median round of [microseconds, bytes of heap] for each step, and what went over the SPI in one."""
    rounds, count = [], 0
    for _ in range(ROUNDS):
        if before:
            before()
        count = node.modem.bytes
        rounds.append(json.loads(node.repl.run(f"{what}()", 60)))
        count = node.modem.bytes - count
    return sorted(rounds)[ROUNDS // 2], count

"""What a node on the air does for each frame, step by step. Runs in any MicroPython; to a board its text goes by REPL.

`stages(rounds, sign)`: {step: (median microseconds, bytes of heap)}.
"""

import gc
import time

from wayside_wire import bthome, lora, lora_config, pack
from wayside_wire import lora_report as wire

SIX = (
    ("pm2.5", "ug/m3", -1), ("pm10", "ug/m3", -1), ("co2", "ppm", 0), ("temperature", "Cel", -2),
    ("humidity", "%RH", -2), ("pressure", "Pa", 0),
)  # fmt: skip
VALUES = (123, 245, 612, -1234, 5678, 101325)
START_S = 1790000000


def stages(rounds, sign):
    """sign(message) -> 64 bytes."""
    profile = wire.AirProfile([wire.ReportChannel(*row) for row in SIX])
    session = lora.LoraSession(bytes(range(16)), profile.digest)
    readings = [
        pack.Reading(row.name, row.unit, VALUES[place], row.exponent, 0, "", 1000 * START_S)
        for place, row in enumerate(profile.channels)
    ]
    header = lora.Header(lora.REPORT, False, 1, 1, 7)
    payload = wire.encode_report(profile, 1, pack.SYNCED, START_S, readings)
    raw = session.seal(header, payload)
    four = [wire.decode_report(profile, payload) for _ in range(4)]
    reports = {START_S + 900 * place: each for place, each in enumerate(four)}
    head = wire.AirHead(1, 2, pack.SYNCED, False, bytes(16), sorted(reports), b"")

    wanted = lora_config.AirConfig(300, 8, 900, 4, 9, [row[0] for row in SIX], {"pm2.5": 50, "co2": 100})
    config = lora_config.encode_config(profile, wanted)
    status = lora_config.AirStatus(300, 300, lora_config.digest_of(config), 300, lora_config.KEPT, 0, 0, 0)

    def sign_pack():
        return pack.sign_pack(wire.pack_of("air-1", head, reports), bytes(8), sign)

    steps = {
        "encode a report of six": lambda: wire.encode_report(profile, 1, pack.SYNCED, START_S, readings),
        "seal a report": lambda: session.seal(header, payload),
        "open a report": lambda: session.open(raw),
        "decode a report": lambda: wire.decode_report(profile, payload),
        "make and sign the pack of four": sign_pack,
        "decode a configuration": lambda: lora_config.decode_config(profile, config),
        "encode a status": lambda: lora_config.encode_status(status),
        "seal a BTHome advertisement": lambda: bthome.seal([(2, 2150), (3, 4000)], bytes(16), bytes(6), 7),
    }
    return {name: measure(step, rounds) for name, step in steps.items()}


def measure(step, rounds):
    times = []
    heap = 0
    for _ in range(rounds):
        gc.collect()
        before = gc.mem_alloc()
        began = time.ticks_us()
        step()
        times.append(time.ticks_diff(time.ticks_us(), began))
        heap = max(heap, gc.mem_alloc() - before)
    return sorted(times)[len(times) // 2], heap

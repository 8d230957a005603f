"""What the whole gateway costs: 100 meters over Modbus/TCP at 1 Hz with log and sink on; and its intake at full speed.

Meters, broker and receiver run in this process, the gateway in one of its own, so that CPU and memory are its alone.
Latency is from the answer on the bus to the verified arrival at the receiver, on one clock.
"""

import argparse
import asyncio
import json
import os
import platform
import resource
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from wayside.evidence.keyring import Keyring
from wayside.evidence.kinds import NODE, REGISTERED, KeyBody
from wayside.evidence.note import ED25519, NoteKey
from wayside.intake.commit import Committer
from wayside.intake.intake import Intake, NodeSource
from wayside.lab.embedded import embedded_broker
from wayside.lab.plant import Sdm630, answer_for, serve_tcp
from wayside.log import Log
from wayside.net.mqtt.broker import Broker
from wayside.receiver.account import SiteAccount, VerifiedPack
from wayside.receiver.keys import DeviceKeys
from wayside.receiver.receive import SiteReceiver
from wayside.runtime.clock import SystemClock
from wayside.runtime.supervise import background
from wayside.trust.keys import SoftwareKey, load_or_create
from wayside.trust.registry import Doorkeeper
from wayside.values.image import ProcessImage
from wayside.values.reading import Pack, Reading
from wayside_wire.pack import NO_PREVIOUS, pack_hash, sign_pack

SITE = "bench.example"
SIX = ("voltage_l1", "voltage_l2", "voltage_l3", "power_active_l1", "power_active_l2", "power_active_l3")
_TICK = os.sysconf("SC_CLK_TCK")
_MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin")

Row = tuple[str, str]


@asynccontextmanager
async def broker(folder: Path) -> AsyncIterator[tuple[str, Broker]]:
    """mosquitto where it is installed, else the embedded broker; with its name."""
    if _MOSQUITTO is None:
        async with embedded_broker() as embedded:
            yield "embedded broker", embedded
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\nlog_type none\n")
    process = await asyncio.create_subprocess_exec(_MOSQUITTO, "-c", config)
    try:
        yield "mosquitto", Broker("127.0.0.1", port)
    finally:
        process.terminate()
        await process.wait()


def site_file(folder: Path, ports: list[int], to: Broker, poll_ms: int) -> Path:
    lines = [f'[site]\nname = "{SITE}"\n', f'[[sink]]\nname = "up"\nkind = "mqtt"\nurl = "mqtt://127.0.0.1:{to.port}"\n']
    channels = ", ".join(f'"{channel}"' for channel in SIX)
    for number, port in enumerate(ports):
        lines.append(f'[[bus]]\nname = "bus-{number}"\nendpoint = "tcp://127.0.0.1:{port}"\n')
        lines.append(f'[[bus.device]]\nname = "meter-{number}"\nunit = 1\nprofile = "eastron-sdm630"\n')
        lines.append(f"poll_ms = {poll_ms}\nreport_ms = 1000\nchannels = [{channels}]\n")
    path = folder / "site.toml"
    path.write_text("".join(lines))
    return path


class Usage:
    """CPU seconds and resident memory of a process, from /proc (proc_pid_stat(5))."""

    def __init__(self, pid: int):
        self._path = Path("/proc") / str(pid)

    def cpu_s(self) -> float:
        fields = (self._path / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    def memory_mib(self) -> float:
        return int((self._path / "statm").read_text().split()[1]) * resource.getpagesize() / 2**20


async def gateway_at_one_hertz(meters: int, seconds: float) -> list[Row]:
    """Cost, latency and start of a gateway that polls `meters` meters once a second."""
    delays: list[float] = []
    started_s: list[float] = []
    began = 0.0

    def arrived(report: VerifiedPack) -> None:
        if not started_s:
            started_s.append(time.monotonic() - began)
        delays.append(time.time() * 1000 - report.pack.readings[0].time_ms)

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        async with AsyncExitStack() as stack:
            name, to = await stack.enter_async_context(broker(folder))
            ports = [await stack.enter_async_context(serve_tcp(answer_for({1: Sdm630(i)}))) for i in range(meters)]
            (folder / "state").mkdir()
            key = NoteKey(f"{SITE}/log/0", ED25519, load_or_create(folder / "state" / "log.key").public)
            account = SiteAccount(key, DeviceKeys({}), arrived)
            receiver = SiteReceiver(to, SITE, account)
            await stack.enter_async_context(background(receiver.run))
            await receiver.ready.wait()
            began = time.monotonic()
            words = [sys.executable, "-m", "wayside", "run", site_file(folder, ports, to, 1000)]
            process = await asyncio.create_subprocess_exec(*words, stderr=asyncio.subprocess.DEVNULL)
            usage = Usage(process.pid)
            while account.packs < meters:
                await asyncio.sleep(0.1)
            delays.clear()
            packs, cpu, start = account.packs, usage.cpu_s(), time.monotonic()
            await asyncio.sleep(seconds)
            packs, cpu, passed = account.packs - packs, usage.cpu_s() - cpu, time.monotonic() - start
            memory = usage.memory_mib()
            process.terminate()
            await process.wait()
    readings = packs * len(SIX)
    delays.sort()
    return [
        (f"readings per second, {meters} meters, {name}", f"{readings / passed:,.0f}"),
        ("CPU per 1,000 readings, s (aim 0.12)", f"{1000 * cpu / readings:.3f}"),
        ("resident memory, MiB (aim below 80)", f"{memory:.0f}"),
        ("register to receiver, p50 / p99, ms", f"{_at(delays, 50):.0f} / {_at(delays, 99):.0f}"),
        ("start to first reading at the receiver, s (aim 1.5)", f"{started_s[0]:.2f}"),
        ("packs not verified, gaps, duplicates", str(len(account.problems()))),
    ]


async def gateway_flat_out(meters: int, poll_ms: int, seconds: float) -> list[Row]:
    """Readings polled per second when the meters are asked as fast as the gateway can, reports of one second logged."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        async with AsyncExitStack() as stack:
            _, to = await stack.enter_async_context(broker(folder))
            ports = [await stack.enter_async_context(serve_tcp(answer_for({1: Sdm630(i)}))) for i in range(meters)]
            words = [sys.executable, "-m", "wayside", "run", site_file(folder, ports, to, poll_ms)]
            process = await asyncio.create_subprocess_exec(*words, stderr=asyncio.subprocess.DEVNULL)
            socket_path = folder / "state" / "status.sock"
            while not socket_path.exists():
                await asyncio.sleep(0.1)
            await asyncio.sleep(3.0)
            polls, log, start = *(await _counts(socket_path)), time.monotonic()
            await asyncio.sleep(seconds)
            more, size, passed = *(await _counts(socket_path)), time.monotonic() - start
            process.terminate()
            await process.wait()
    rate = (more - polls) * len(SIX) / passed
    return [(f"readings per second flat out, {meters} meters, log on", f"{rate:,.0f} ({size - log} entries)")]


async def _counts(path: Path) -> tuple[int, int]:
    """(good polls of all devices, log size) as the gateway's status tells."""
    reader, writer = await asyncio.open_unix_connection(path)
    told = json.loads(await reader.read())
    writer.close()
    polls = sum(device["good_polls"] for bus in told["buses"].values() for device in bus["devices"].values())
    return polls, told["log"]["size"]


def _at(ordered: list[float], percent: int) -> float:
    return ordered[len(ordered) * percent // 100]


def signed_packs(key: SoftwareKey, count: int) -> list[bytes]:
    """A chain of packs of six readings."""
    raws = []
    previous = NO_PREVIOUS
    for sequence in range(count):
        readings = tuple(Reading(channel, "V", 23000 + sequence % 100, -2, 0, "", 1000 * sequence) for channel in SIX)
        raw = sign_pack(Pack("meter-1", 1, sequence, 2, previous, readings), key.kid, key.sign)
        previous = pack_hash(raw)
        raws.append(raw)
    return raws


async def intake_at_full_speed(count: int) -> list[Row]:
    """Packs of a node through verification, log and checkpoint to the acknowledgement, 256 on their way at a time."""
    node, log_key = SoftwareKey(bytes(32)), SoftwareKey(bytes(range(32)))
    raws = signed_packs(node, count)
    with tempfile.TemporaryDirectory() as scratch:
        clock = SystemClock()
        log = Log(Path(scratch), SITE, log_key.public, log_key.sign, lambda: (clock.utc_ms(), 2))
        committer = Committer(log, 0.005)
        keyring = Keyring()
        keyring.take(0, KeyBody(node.public, NODE, ("meter-1",), REGISTERED, holder="node"))
        source = NodeSource("node", frozenset({"meter-1"}))
        intake = Intake(committer, Doorkeeper(keyring), log_key, ProcessImage(), clock, 1)
        start = time.perf_counter()
        async with background(committer.run):
            for first in range(0, count, 256):
                part = enumerate(raws[first : first + 256], first)
                await asyncio.gather(*(intake.accept(raw, (1, sequence), source) for sequence, raw in part))
            passed = time.perf_counter() - start
    return [("packs per second, verify to acknowledgement", f"{count / passed:,.0f}")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--meters", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20.0)
    arguments = parser.parse_args()
    print(f"Gateway, {platform.machine()}, {os.cpu_count()} cores, CPython {platform.python_version()}")
    rows = asyncio.run(gateway_at_one_hertz(arguments.meters, arguments.seconds))
    # Twice what one core could ask for; the meters of this process answer from the other.
    rows += asyncio.run(gateway_flat_out(10, 1, arguments.seconds / 2))
    rows += asyncio.run(gateway_flat_out(100, 5, arguments.seconds / 2))
    rows += asyncio.run(intake_at_full_speed(10_000))
    for name, value in rows:
        print(f"{name:60} {value:>12}")


if __name__ == "__main__":
    main()

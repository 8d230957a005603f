"""Packs per second from the log through a real broker to the receiver's account: `python tools/bench_north.py`.

The log is made beforehand, so what is timed is forwarding: reading, proof, encoding, MQTT, the receiver's verifying.
Sender and receiver are two processes, as in life; each stage is also timed alone. Without mosquitto the embedded broker
takes its place, and the table says so.
"""

import asyncio
import logging
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

from wayside.evidence.batch import BatchVerifier, encode_batch
from wayside.lab.embedded import embedded_broker
from wayside.net.mqtt.broker import Broker
from wayside.north.forward import Forwarder, ForwardLimits
from wayside.north.mqtt import PlainMqtt, VerifiableMqtt
from wayside.receiver.account import SiteAccount
from wayside.receiver.keys import DeviceKeys
from wayside.receiver.receive import SiteReceiver
from wayside_wire.pack import Reading

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from north.mosquitto import PROGRAM, Mosquitto
from north.proxy import Proxy
from north.site import NOW_MS, SITE, Site
from waiting import running, until

PACKS = 10_000
READINGS = 10
OUTAGES = 15
LIMITS = ForwardLimits(replay_per_s=1e9, replay_share=1.0)


def main() -> None:
    logging.disable()  # the outages are meant
    folder = Path(tempfile.mkdtemp(prefix="wayside-bench-"))
    try:
        site = Site(folder / "log")
        site.device.readings = [Reading(f"voltage_l{n}", "V", 23000 + n, -2, 0, "", NOW_MS) for n in range(READINGS)]
        for _ in range(PACKS // 500):
            site.packs(500)
        print(f"forwarding {PACKS:,} packs of {READINGS} readings, batches of {LIMITS.batch_entries}")
        _stages(site)
        asyncio.run(_end_to_end(site, folder))
        asyncio.run(_recovery(folder))
    finally:
        shutil.rmtree(folder)


def _row(what: str, seconds: float, count: int = PACKS) -> None:
    print(f"  {what:44}{count / seconds:>10,.0f} packs/s{seconds / count * 1e6:>10.0f} us each")


def _stages(site: Site) -> None:
    batches: list[bytes] = []
    start = time.perf_counter()
    for first in range(0, site.log.size, LIMITS.batch_entries):
        records = site.log.records(first, LIMITS.batch_entries)
        proof = site.log.subset_proof([(first, first + len(records))])
        batches.append(encode_batch(site.log.checkpoint, first, records, proof))
    _row("read, prove, encode", time.perf_counter() - start)
    verifier = BatchVerifier(site.key)
    start = time.perf_counter()
    for batch in batches:
        verifier.verify(batch)
    _row("verify batches", time.perf_counter() - start)
    account = _account(site.key, site.device.key.public)
    start = time.perf_counter()
    for batch in batches:
        account.take(site.origin, batch)
    _row("verify batches, packs and signatures", time.perf_counter() - start)
    assert account.packs == PACKS
    assert not account.problems()


def _account(key: object, device: bytes) -> SiteAccount:
    return SiteAccount(key, DeviceKeys({"meter-1": [device]}))  # type: ignore[arg-type]


async def _end_to_end(site: Site, folder: Path) -> None:
    async with _broker(folder) as (broker, name):
        here, there = multiprocessing.Pipe()
        # "spawn": a fork would inherit the broker's sockets and the loop.
        child = multiprocessing.get_context("spawn").Process(
            target=_receive, args=(there, broker, site.key, site.device.key.public)
        )
        child.start()
        try:
            await asyncio.to_thread(here.recv)
            start, cpu = time.perf_counter(), time.process_time()
            async with running(Forwarder("bench", VerifiableMqtt(broker, site), site, LIMITS).run()):
                problems = await asyncio.to_thread(here.recv)
            _row(f"log to account through {name}", time.perf_counter() - start)
            _row("  of that the sender's CPU", time.process_time() - cpu)
            assert problems == [], problems
        finally:
            child.join(20)
        start, cpu = time.perf_counter(), time.process_time()
        plain = Forwarder("plain", PlainMqtt(broker, site), site, LIMITS)
        async with running(plain.run()):
            await until(lambda: plain.status.delivered == site.log.size, 300)
        _row(f"log to {name} as JSON reports", time.perf_counter() - start)
        _row("  of that the sender's CPU", time.process_time() - cpu)


async def _recovery(folder: Path) -> None:
    """From the link's return to the first entry of that moment at the receiver, after outages of one to two seconds."""
    site = Site(folder / "recovery")
    account = _account(site.key, site.device.key.public)
    waits: list[float] = []
    async with _broker(folder) as (broker, _), Proxy(broker.port) as proxy:
        receiver = SiteReceiver(broker, SITE, account)
        behind = Forwarder("recovery", VerifiableMqtt(replace(broker, port=proxy.port), site), site)
        async with running(receiver.run(), behind.run()):
            await receiver.ready.wait()
            site.packs(1)
            await until(lambda: account.packs == 1)
            arrived = account.logs[site.origin].indices
            for trial in range(OUTAGES):
                await proxy.refuse()
                site.packs(1000)
                await asyncio.sleep(1 + trial / OUTAGES)
                await proxy.listen()
                start = time.perf_counter()
                site.packs(1)
                newest = site.log.size - 1
                await until(lambda newest=newest: newest in arrived)
                waits.append(time.perf_counter() - start)
            await until(lambda: account.entries == site.log.size, 300)
    assert not account.problems(), account.problems()
    waits.sort()
    print(f"  link back to newest entry at the receiver, {OUTAGES} outages with 1,000 packs each:")
    print(f"    median {waits[len(waits) // 2]:.2f} s, longest {waits[-1]:.2f} s")


@asynccontextmanager
async def _broker(folder: Path) -> AsyncIterator[tuple[Broker, str]]:
    if PROGRAM is None:
        async with embedded_broker() as broker:
            yield broker, "the embedded broker"
        return
    with Mosquitto(folder) as mosquitto:
        yield Broker("127.0.0.1", mosquitto.port), "mosquitto"


def _receive(parent: Connection, broker: Broker, key: object, device: bytes) -> None:
    async def receive() -> None:
        account = _account(key, device)
        receiver = SiteReceiver(broker, SITE, account)
        async with running(receiver.run()):
            await receiver.ready.wait()
            parent.send("ready")
            await until(lambda: account.packs >= PACKS, 300)
        parent.send(account.problems())

    asyncio.run(receive())


if __name__ == "__main__":
    main()

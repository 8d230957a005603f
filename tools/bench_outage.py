"""A link that was gone for an hour at 1,000 readings a second, and comes back: `python tools/bench_outage.py [HOURS]`.

The hour is in the log when the link returns (3.6 million readings in 360,000 packs), and the site goes on at the same
rate. Measured: from the link's return to the first new entry at the receiver, how late new entries arrive beside the
replay, how fast the replay is, the gateway's memory, and whether anything is missing. Real mosquitto, real log, the
limits of the product. Sender and receiver are two processes.
"""

import asyncio
import logging
import multiprocessing
import resource
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

from wayside.net.mqtt.broker import Broker
from wayside.north.forward import Forwarder
from wayside.north.mqtt import VerifiableMqtt
from wayside.north.sink import Batch, Sink
from wayside.receiver.account import SiteAccount
from wayside.receiver.keys import DeviceKeys
from wayside.receiver.receive import SiteReceiver
from wayside_wire.pack import Reading

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from north.mosquitto import PROGRAM, Mosquitto
from north.proxy import Proxy
from north.site import NOW_MS, SITE, Site
from waiting import running, until

READINGS = 10  # in a pack
PACKS_PER_S = 100
GROUP_S = 0.05  # as the gateway commits
LIMIT_S = 3600.0


def main() -> None:
    hours = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    if PROGRAM is None:
        sys.exit("mosquitto is not installed (Debian package mosquitto)")
    logging.disable()  # the outage is meant
    folder = Path(tempfile.mkdtemp(prefix="wayside-outage-"))
    try:
        with Mosquitto(folder) as mosquitto:
            asyncio.run(_measure(folder, mosquitto.port, int(hours * 3600 * PACKS_PER_S)))
    finally:
        shutil.rmtree(folder)


class _Timed:
    """A sink that notes when the far side of another one has taken an entry that was not late."""

    def __init__(self, sink: Sink):
        self._sink = sink
        self.connect = sink.connect
        self.taken: dict[int, float] = {}

    async def send(self, batch: Batch) -> None:
        await self._sink.send(batch)
        if not batch.late:
            now = time.monotonic()
            self.taken.update((record.index, now) for record in batch.records)


async def _measure(folder: Path, port: int, packs: int) -> None:
    site = Site(folder / "log")
    site.device.readings = [Reading(f"voltage_l{n}", "V", 23000 + n, -2, 0, "", NOW_MS) for n in range(READINGS)]
    broker = Broker("127.0.0.1", port)
    async with Proxy(port) as proxy:
        sink = _Timed(VerifiableMqtt(replace(broker, port=proxy.port), site))
        forwarder = Forwarder("outage", sink, site)
        here, there = multiprocessing.Pipe()
        child = multiprocessing.get_context("spawn").Process(
            target=_receive, args=(there, broker, site.key, site.device.key.public)
        )
        child.start()
        try:
            await asyncio.to_thread(here.recv)
            async with running(forwarder.run()):
                site.packs(1)
                await until(lambda: forwarder.lag(site.log.size) == 0)
                await proxy.refuse()
                await _fill(site, packs)
                before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                returned, appended = time.monotonic(), {}
                await proxy.listen()
                async with running(_go_on(site, appended)):
                    await until(lambda: forwarder.lag(site.log.size) < PACKS_PER_S, limit_s=LIMIT_S)
                    replayed_s = time.monotonic() - returned
                await until(lambda: forwarder.lag(site.log.size) == 0, limit_s=60)
            after_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            here.send(site.log.size)
            arrived, problems = await asyncio.to_thread(here.recv)
        finally:
            child.join(20)
            child.kill()
    first_s = min(arrived[index] for index in appended) - returned
    rate = packs / replayed_s
    print(f"{packs:,} packs of {READINGS} readings waited; then {PACKS_PER_S} new packs a second beside the replay")
    print(f"  link back to the first new entry at the receiver: {first_s:.2f} s")
    for who, times in (("the broker has", sink.taken), ("the receiver has verified", arrived)):
        late = sorted(times[index] - at for index, at in appended.items())
        half, most = late[len(late) // 2], late[99 * len(late) // 100]
        print(f"  {who} a new entry after: median {half:.2f} s, 99 % {most:.2f} s, all {late[-1]:.2f} s")
    print(f"  replay: {replayed_s:.0f} s, {rate:,.0f} entries/s, {rate * READINGS:,.0f} readings/s")
    print(f"  sender's memory: {before_kb // 1024} MB when the link comes back, at most {after_kb // 1024} MB after")
    print(f"  missing or wrong at the receiver: {problems or 'nothing'} of {site.log.size:,} entries")


async def _fill(site: Site, packs: int) -> None:
    for made in range(0, packs, 500):
        site.packs(min(500, packs - made))
        await asyncio.sleep(0)


async def _go_on(site: Site, appended: dict[int, float]) -> None:
    """New packs at the site's rate, whatever the machine does meanwhile."""
    began, made = time.monotonic(), 0
    while True:
        due = int((time.monotonic() - began) * PACKS_PER_S) - made
        if due:
            site.packs(due)
            made += due
            now = time.monotonic()
            appended.update((site.log.size - 1 - back, now) for back in range(due))
        await asyncio.sleep(GROUP_S)


def _receive(parent: Connection, broker: Broker, key: object, device: bytes) -> None:
    async def receive() -> None:
        arrived: dict[int, float] = {}
        account = SiteAccount(
            key,  # type: ignore[arg-type]
            DeviceKeys({"meter-1": [device]}),
            lambda report: arrived.setdefault(report.index, time.monotonic()),
        )
        receiver = SiteReceiver(broker, SITE, account)
        async with running(receiver.run()):
            await receiver.ready.wait()
            parent.send("ready")
            size = await asyncio.to_thread(parent.recv)
            await until(lambda: account.entries >= size, limit_s=LIMIT_S)
        parent.send((arrived, account.problems()))

    asyncio.run(receive())


if __name__ == "__main__":
    main()

"""A day in minutes: the gateway in hurried time (tools/soak_gateway.py) among random faults.

Meters die and come back, the broker's link is cut and half open, the disk is slow, the clock is set, and in the first
third the gateway is killed. At the end everything must be accounted for: each report that was polled is in the log,
each entry of the log has arrived and verifies, nothing twice; memory is flat, and the disk grows by no more than what
an erased entry leaves behind. Exit status: 0 so it is, 1 not so.
"""

import argparse
import asyncio
import logging
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bench_path import Usage
from soak_world import KEPT_MB, SITE, Faults, Gateway, Meter, Plan, meter_names, site_file
from wayside.evidence.note import ED25519, NoteKey
from wayside.evidence.stream import device_stream
from wayside.lab.plant import serve_tcp
from wayside.log import LogReader
from wayside.net.mqtt.broker import Broker
from wayside.receiver.account import SiteAccount, VerifiedPack
from wayside.receiver.keys import DeviceKeys
from wayside.receiver.receive import SiteReceiver
from wayside.runtime.supervise import background
from wayside.trust.keys import load_or_create

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from north.mosquitto import PROGRAM, Mosquitto
from north.proxy import Proxy

_HARDLY = 50  # entries behind
_MOST_S = 600.0
_STARTS = 5  # after which the last entries have to be there
_WARM = 500  # entries
_FEWEST = 10  # samples of which a trend is taken
_OVERHEAD = 1.5  # of the database over the entries that retention keeps
MOST_MEMORY_MIB = 6.0
"""By which the trend of the resident memory may rise over the second half."""
MOST_RESIDENT_MIB = 96.0
"""Which the resident memory may reach at any time: a third of it is Python and its packages."""
MOST_BYTES_PER_ENTRY = 350.0
"""By which the state folder may grow with each entry, once retention erases: hash, place and the row's stub."""


@dataclass(frozen=True)
class Sample:
    """At a time since the start: the gateway's resident memory, its state folder, its log.

    Without SQLite's write-ahead file, which grows to 4 MB and is cut when something is erased.
    """

    hours: float
    memory_mib: float
    disk_bytes: int
    entries: int


@dataclass
class Result:
    """What the run showed. `problems`: why it does not hold, empty when it does."""

    figures: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


async def soak(plan: Plan, folder: Path, say: Callable[[str], None]) -> Result:
    """Run it; what it showed."""
    (folder / "state").mkdir()
    key = NoteKey(f"{SITE}/log/0", ED25519, load_or_create(folder / "state" / "log.key").public)
    reports: Counter[tuple[str, int]] = Counter()

    def arrived(report: VerifiedPack) -> None:
        reports[report.pack.device, report.pack.boot] += 1

    account = SiteAccount(key, DeviceKeys({}), arrived)
    gateway, ended = Gateway(folder, plan.scale), list[int]()
    async with AsyncExitStack() as stack:
        broker = stack.enter_context(Mosquitto(folder, "max_queued_messages 0"))
        proxy = await stack.enter_async_context(Proxy(broker.port))
        meters = [Meter(number, plan.scale) for number in range(plan.meters)]
        ports = [await stack.enter_async_context(serve_tcp(meter)) for meter in meters]
        (folder / "site.toml").write_text(site_file(plan, ports, proxy.port))
        receiver = SiteReceiver(Broker("127.0.0.1", broker.port), SITE, account)
        await stack.enter_async_context(background(receiver.run))
        await receiver.ready.wait()
        faults = Faults(plan, gateway, proxy, meters)
        await gateway.start()
        try:
            await _until(lambda: account.packs >= plan.meters, "the first reports", account)
            samples = await _live(plan, gateway, faults, account, say)
            await _until(lambda: _is_well(gateway), "the gateway after the last fault", account)
            status, boots = gateway.status(), _boots(reports)
            ended.append(await gateway.stop())
            log = await _deliver_the_rest(gateway, account, ended)
        finally:
            ended.append(await gateway.stop())
    result = judge(plan, status, samples, account, log)
    result.problems += _unreported(plan, status, {name: reports[name, boot] for name, boot in boots.items()})
    if any(ended):
        result.problems.append(f"the gateway ended with status {max(ended)}")
    result.figures |= {"kills -9": str(gateway.kills), "faults": _told(faults.counts)}
    return result


async def _live(
    plan: Plan, gateway: Gateway, faults: Faults, account: SiteAccount, say: Callable[[str], None]
) -> list[Sample]:
    began, samples = time.monotonic(), []
    raging = asyncio.create_task(faults.run())
    try:
        while (hours := (time.monotonic() - began) * plan.scale / 3600) < plan.hours:
            faults.may_kill = hours < plan.hours / 3
            await asyncio.sleep(plan.sample_every_s / plan.scale)
            if raging.done():
                raging.result()
            if not gateway.is_up:
                continue
            samples.append(_sample(hours, gateway, account))
            if len(samples) % 30 == 0:
                disk_mb, entries = samples[-1].disk_bytes / 1e6, samples[-1].entries
                say(f"{hours:5.1f} h  {samples[-1].memory_mib:5.1f} MiB  {disk_mb:6.2f} MB  {entries} entries")
    finally:
        raging.cancel()
        await asyncio.gather(raging, return_exceptions=True)
        await faults.mend()
    return samples


def _sample(hours: float, gateway: Gateway, account: SiteAccount) -> Sample:
    files = (
        path for path in (gateway.folder / "state").rglob("*") if path.is_file() and not path.name.endswith("-wal")
    )
    disk = sum(path.stat().st_blocks * 512 for path in files)
    entries = max((log.size for log in account.logs.values()), default=0)
    return Sample(hours, Usage(gateway.pid).memory_mib(), disk, entries)


def _is_well(gateway: Gateway) -> bool:
    """Its sink is connected and hardly behind, and every meter answers."""
    try:
        status = gateway.status()
    except OSError:
        return False
    devices = [device for bus in status["buses"].values() for device in bus["devices"].values()]
    sink = status["sinks"]["city"]
    answer = all(device["polls"] and not device["unreachable"] for device in devices)
    return bool(sink["connected"] and sink["lag"] < _HARDLY and answer)


def _boots(reports: Counter[tuple[str, int]]) -> dict[str, int]:
    """Each device's newest boot number."""
    boots: dict[str, int] = {}
    for name, boot in reports:
        boots[name] = max(boot, boots.get(name, boot))
    return boots


async def _deliver_the_rest(gateway: Gateway, account: SiteAccount, ended: list[int]) -> LogReader:
    """The log, all of which has arrived; the gateway is stopped.

    A stop gives what is not sent yet a moment, in hurried time a shorter one, and leaves the rest to the next start:
    on a busy machine there is a rest each time, and nothing but another start brings it.
    """
    for _ in range(_STARTS):
        await gateway.start_unhurried()
        await _until(lambda: _is_well(gateway) and not account.outstanding(), "what was not sent yet", account)
        ended.append(await gateway.stop())
        log = LogReader(gateway.folder / "state" / "log")
        try:
            await _until(partial(_is_all_there, account, log), "all of the log at the receiver", account, 5)
        except TimeoutError:
            log.close()
            continue
        return log
    raise TimeoutError(f"after {_STARTS} starts the receiver lacks {account.outstanding()[:3]}")


def _is_all_there(account: SiteAccount, log: LogReader) -> bool:
    return account.logs[log.origin].size == log.size and not account.outstanding()


async def _until(condition: Callable[[], bool], what: str, account: SiteAccount, idle_s: float = 300) -> None:
    """Return when `condition()` is true; TimeoutError when it is not and nothing has arrived for `idle_s`."""
    entries, end, last = account.entries, time.monotonic() + idle_s, time.monotonic() + _MOST_S
    while not condition():
        if account.entries != entries:
            entries, end = account.entries, time.monotonic() + idle_s
        if time.monotonic() > min(end, last):
            raise TimeoutError(f"{what}: nothing has arrived for {idle_s:.0f} s, or {_MOST_S:.0f} s were not enough")
        await asyncio.sleep(0.1)


def judge(
    plan: Plan,
    status: dict[str, Any],
    samples: Sequence[Sample],
    account: SiteAccount,
    log: LogReader,
) -> Result:
    """The verdict over all that was seen."""
    result = Result()
    found = result.problems
    log.check(0, log.size)
    found += account.problems()
    if len(account.logs) != 1 or account.logs[log.origin].size != log.size or account.entries != log.size:
        found.append(f"{account.entries} entries arrived, of logs {sorted(account.logs)}; the log has {log.size}")
    # What its retention erases has arrived before: that it has, the counts above say.
    if lost := [each for each in account.named_losses() if " erased (size, " not in each]:
        found.append(f"the log names losses: {lost[:3]}")
    if status["restarts"]:
        found.append(f"tasks failed: {status['restarts']}")
    # A trend says something once what a start fills is full; how far a busy machine came by when says its log.
    late = [sample for sample in samples if sample.hours > plan.hours / 2]
    half = [sample for sample in late if sample.entries > _WARM]
    hours = half[-1].hours - half[0].hours if half else 0.0
    is_trend = len(half) >= _FEWEST
    rise_mib = slope([(each.hours, each.memory_mib) for each in half]) * hours if is_trend else 0.0
    most_mib = max(each.memory_mib for each in samples)
    steady = [sample for sample in samples if sample.entries > 1.1 * _all_erase_from(plan, log)]
    # On a machine too busy to have made that many reports, the bound as a whole has to do.
    per_entry = slope([(each.entries, each.disk_bytes) for each in steady]) if len(steady) >= _FEWEST else 0.0
    most_bytes = _OVERHEAD * plan.meters * KEPT_MB * 1e6 + MOST_BYTES_PER_ENTRY * log.size
    if samples[-1].disk_bytes > most_bytes:
        found.append(f"the disk holds {samples[-1].disk_bytes} bytes, {most_bytes:.0f} at most were expected")
    if most_mib > MOST_RESIDENT_MIB:
        found.append(f"memory was {most_mib:.1f} MiB, {MOST_RESIDENT_MIB:g} at most were expected")
    if rise_mib > MOST_MEMORY_MIB:
        found.append(f"memory rose by {rise_mib:.1f} MiB in the last {hours:.1f} h")
    if per_entry > MOST_BYTES_PER_ENTRY:
        found.append(f"the disk grew by {per_entry:.0f} bytes with each entry")
    result.figures = {
        "simulated hours": f"{plan.hours:g}, {plan.scale:g} times as fast",
        "packs / readings": f"{account.packs} / {account.packs * plan.channels}",
        "entries": f"{log.size}, {account.redelivered} delivered again",
        "memory": f"{late[0].memory_mib:.1f} to {late[-1].memory_mib:.1f} MiB, "
        + (f"trend {rise_mib / hours:+.3f} MiB/h" if is_trend else "too little done for a trend"),
        "disk": f"{samples[-1].disk_bytes / 1e6:.2f} MB, {per_entry:.0f} bytes an entry since retention erases",
    }
    return result


def _unreported(plan: Plan, status: dict[str, Any], reports: dict[str, int]) -> list[str]:
    """Meters whose polls, from the last start until `status`, are not all in reports that arrived.

    The polls of a report that was not full yet, and the poll under way, end with the gateway.
    """
    each = plan.report_ms // plan.poll_ms
    polls = {name: device["polls"] for bus in status["buses"].values() for name, device in bus["devices"].items()}
    return [
        f"{name}: {polled} polls since the last start, {reports[name] * each} of them in reports"
        for name, polled in polls.items()
        if reports[name] * each < polled - each
    ]


def _all_erase_from(plan: Plan, log: LogReader) -> float:
    """The number of entries, about, from which on something of every meter has been erased.

    A stream that erases keeps its size, so it began to when it had as many entries as it keeps now. The entry that told
    of it may be erased itself by now.
    """
    begun = []
    for stream in map(device_stream, meter_names(plan)):
        indexes = log.indexes_of(stream, 0, log.size)
        erased = next((number for number, _ in log.oldest(stream, 0, 1)), 0)
        if not erased:
            return float("inf")
        begun.append(indexes[len(indexes) - erased])
    return float(max(begun))


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Of the line of least squares through the points."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    plan = Plan()
    parser.add_argument("--hours", type=float, default=plan.hours, help="simulated (default %(default)s)")
    parser.add_argument("--scale", type=float, default=plan.scale, help="times as fast (default %(default)s)")
    parser.add_argument("--seed", type=int, default=plan.seed)
    args = parser.parse_args()
    if PROGRAM is None:
        print("mosquitto is not here: apt-get install mosquitto", file=sys.stderr)
        return 1
    logging.basicConfig(level=logging.ERROR)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # it ends like Ctrl-C, and takes its children with it
    with tempfile.TemporaryDirectory(prefix="wayside-soak-") as folder:
        plan = Plan(hours=args.hours, scale=args.scale, seed=args.seed)
        result = asyncio.run(soak(plan, Path(folder), lambda text: print(text, flush=True)))
    print("\n".join(f"{name:18} {value}" for name, value in result.figures.items()))
    print("\n".join(f"FAILS  {problem}" for problem in result.problems) or "everything holds")
    return 1 if result.problems else 0


if __name__ == "__main__":
    sys.exit(main())

"""The world of a soak (tools/soak.py): a gateway's process in hurried time, meters that can be dead, and faults."""

import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wayside.daemon.status import SOCKET, ask
from wayside.lab.demo import CHANNELS
from wayside.lab.plant import Sdm630, answer_for

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from north.proxy import Proxy

SITE = "soak.wayside.example"
KEPT_MB = 2
"""Of each meter: more than comes in, in hurried time, while a sink waits for the answer of a dead link."""

_PROGRAM = Path(__file__).resolve().parent / "soak_gateway.py"


@dataclass(frozen=True)
class Plan:
    """How long and how hard; times in simulated seconds unless they say otherwise."""

    hours: float = 24.0
    scale: float = 72.0
    seed: int = 1
    meters: int = 4
    channels: int = 6
    poll_ms: int = 5000
    report_ms: int = 10_000
    fault_every_s: float = 600.0
    fault_most_s: float = 1800.0
    sample_every_s: float = 120.0


class Gateway:
    """The gateway's process, and what is asked of its clock and disk."""

    def __init__(self, folder: Path, scale: float):
        self.folder = folder
        self.step_ms = 0
        self.kills = 0
        self.is_up = False
        """Whether there is a process that nobody is killing."""
        self._scale = scale
        self._began = time.monotonic() * scale
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    async def start(self) -> None:
        words = [_PROGRAM, self.folder / "site.toml", self._scale, self._began, self.step_ms]
        with (self.folder / "gateway.log").open("ab") as out:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, *map(str, words), stdin=asyncio.subprocess.PIPE, stdout=out, stderr=out
            )
        self.is_up = True

    async def start_unhurried(self) -> None:
        """As fast as the world is, from the simulated time on."""
        elapsed_s = time.monotonic() * self._scale - self._began
        self._scale, self._began = 1.0, time.monotonic() - elapsed_s
        await self.start()

    async def tell(self, **change: float) -> None:
        assert self._process and self._process.stdin
        self._process.stdin.write(json.dumps(change).encode() + b"\n")
        await self._process.stdin.drain()

    async def kill(self) -> None:
        assert self._process
        self.is_up = False
        self._process.kill()
        await self._process.wait()
        self.kills += 1
        await self.start()

    async def stop(self) -> int:
        assert self._process
        if self._process.returncode is None:
            self._process.terminate()
        try:
            async with asyncio.timeout(120):
                return await self._process.wait()
        except TimeoutError:
            self._process.kill()
            return await self._process.wait()

    def status(self) -> dict[str, Any]:
        return ask(self.folder / "state" / SOCKET)


class Meter:
    """A meter that can be dead."""

    def __init__(self, seed: int, scale: float):
        self._answer = answer_for({1: Sdm630(seed, clock=lambda: time.monotonic() * scale)})
        self.dead = False

    def __call__(self, body: bytes) -> bytes | None:
        return None if self.dead else self._answer(body)


class Faults:
    """Draws one fault after the other; each mends itself after its time."""

    def __init__(self, plan: Plan, gateway: Gateway, proxy: Proxy, meters: Sequence[Meter]):
        self._plan = plan
        self._gateway = gateway
        self._proxy = proxy
        self._meters = meters
        self._chance = random.Random(plan.seed)
        self.counts: Counter[str] = Counter()
        self.may_kill = True

    async def run(self) -> None:
        """Until cancelled; then call `mend`."""
        harmless = (self._cut, self._half_open, self._dead_meter, self._slow_disk, self._set_clock)
        while True:
            await self._sleep(self._chance.expovariate(1 / self._plan.fault_every_s))
            fault = self._chance.choice([*harmless, self._kill, self._kill] if self.may_kill else harmless)
            self.counts[fault.__name__.strip("_").replace("_", " ")] += 1
            await fault()

    async def mend(self) -> None:
        self._proxy.passing.set()
        await self._proxy.refuse()
        await self._proxy.listen()
        for meter in self._meters:
            meter.dead = False
        await self._gateway.tell(slow_disk_s=0.0, time_quality=2)

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._plan.scale)

    async def _for_a_while(self) -> None:
        await self._sleep(self._chance.uniform(1, self._plan.fault_most_s))

    async def _cut(self) -> None:
        await self._proxy.refuse()
        await self._for_a_while()
        await self._proxy.listen()

    async def _half_open(self) -> None:
        self._proxy.passing.clear()
        await self._for_a_while()
        self._proxy.passing.set()

    async def _dead_meter(self) -> None:
        meter = self._chance.choice(self._meters)
        meter.dead = True
        await self._for_a_while()
        meter.dead = False

    async def _slow_disk(self) -> None:
        await self._gateway.tell(slow_disk_s=self._chance.uniform(0.1, 10.0))
        await self._for_a_while()
        await self._gateway.tell(slow_disk_s=0.0)

    async def _set_clock(self) -> None:
        self._gateway.step_ms += self._chance.randrange(-3_600_000, 3_600_000)
        await self._gateway.tell(step_ms=self._gateway.step_ms, time_quality=self._chance.choice((1, 2)))
        await self._for_a_while()
        await self._gateway.tell(time_quality=2)

    async def _kill(self) -> None:
        await self._gateway.kill()


def meter_names(plan: Plan) -> list[str]:
    return [f"meter-{number}" for number in range(plan.meters)]


def site_file(plan: Plan, ports: Sequence[int], broker_port: int) -> str:
    """Two meters a bus; each keeps its newest KEPT_MB."""
    names = meter_names(plan)
    # To the gateway a meter answers `scale` times as late as it does: the time-outs leave room for a busy machine.
    device = f"""
[[bus]]
name = "bus-%s"
endpoint = "tcp://127.0.0.1:%d"
[[bus.device]]
name = "%s"
unit = 1
profile = "eastron-sdm630"
poll_ms = {plan.poll_ms}
report_ms = {plan.report_ms}
timeout_ms = {min(60_000, int(300 * plan.scale))}
channels = [{", ".join(f'"{channel}"' for channel in CHANNELS[: plan.channels])}]
"""
    head = f'[site]\nname = "{SITE}"\n[log]\ncommit_ms = 1000\n'
    tail = f'[[sink]]\nname = "city"\nkind = "mqtt"\nurl = "mqtt://127.0.0.1:{broker_port}"\n'
    quoted = ", ".join(f'"{name}"' for name in names)
    tail += f"[[retention]]\ndevices = [{quoted}]\nmegabytes = {KEPT_MB}\n"
    return head + "".join(device % (name, port, name) for name, port in zip(names, ports, strict=True)) + tail

"""A node in the real VM between a simulated meter and a gateway that the test plays."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from waiting import PATIENCE_S, until
from wayside import profiles
from wayside.evidence.ed25519 import verifies
from wayside.lab.plant import Sdm630, answer_for, serve_pty
from wayside.lab.plant.cable import raw_pty
from wayside.profiles.node import for_node
from wayside.south import curves
from wayside.trust.keys import SoftwareKey
from wayside_wire import WireError, frame, link
from wayside_wire.pack import NO_PREVIOUS, SYNCED, Pack, open_pack, pack_hash
from wayside_wire.session import GatewayEnd, NodeIdentity

ROOT = Path(__file__).parents[2]
CHANNELS = ("voltage_l1", "power_active", "energy_active_import")
KEY = SoftwareKey(bytes(range(32)))
"""The gateway's."""


class Gateway:
    """Plays the gateway on the master end of a pty. What it took is in `packs`, by (boot, sequence).

    With `deaf` it acknowledges nothing and greets nobody; `clock` gives the milliseconds that it tells;
    `spoil(frame)` may change an answer.
    """

    def __init__(self, handle: int):
        self.public = b""
        self.packs: dict[tuple[int, int], tuple[Pack, bytes]] = {}
        self.order: list[tuple[int, int]] = []
        self.oldest: tuple[int, int] | None = None
        self.abouts: list[NodeIdentity] = []  # of each session
        self.asked = 0
        self.observed: list[object] = []  # whatever was on the line, as anybody sees it
        self.others: list[object] = []
        self.repeated = 0
        self.deaf = False
        self.clock = lambda: time.time_ns() // 1_000_000
        self.spoil = lambda data: data
        self._handle = handle
        self._unsent = b""
        self._decoder = frame.FrameDecoder()
        self.restart()

    def restart(self) -> None:
        """It begins anew, and knows of no session."""
        self.end = GatewayEnd(KEY.public, KEY.sign, curves, os.urandom)

    def readable(self) -> None:
        self.hear(os.read(self._handle, 4096))

    def hear(self, data: bytes) -> None:
        """Bytes of the node have come."""
        for raw in self._decoder.feed(data):
            message = link.decode(raw)
            self.observed.append(message)
            self._take(message)

    def send(self, message: object) -> None:
        """In the session, if there is one."""
        if self.end.session:
            self.write(self.spoil(frame.encode(self.end.session.seal(message))))

    def say(self, message: object) -> None:
        """As anybody can."""
        self.write(self.spoil(frame.encode(link.encode(message))))

    def write(self, data: bytes) -> None:
        """All of it, in order, as fast as the line takes it."""
        self._unsent += data
        self.writable()

    def writable(self) -> None:
        """The line takes something again."""
        loop = asyncio.get_running_loop()
        with suppress(BlockingIOError):
            self._unsent = self._unsent[os.write(self._handle, self._unsent) :]
        if self._unsent:
            loop.add_writer(self._handle, self.writable)
        else:
            loop.remove_writer(self._handle)

    def _take(self, message: object) -> None:
        if isinstance(message, link.Sealed):
            try:
                inner = self.end.open(message)
            except WireError:
                self.say(link.Error(link.NO_SESSION, "no session"))
            else:
                self._take_inner(inner, message.number)
        elif self.deaf:
            return
        elif isinstance(message, link.Hello):
            self.say(self.end.welcome(message))
        elif isinstance(message, link.Confirm):
            about = self.end.confirm(message, self.public)
            if about:
                self.abouts.append(about)
                self._tell_time(0)

    def _take_inner(self, message: object, number: int) -> None:
        if isinstance(message, link.AskTime):
            self.asked += 1
            if not self.deaf:
                self._tell_time(number)
        elif isinstance(message, link.PackMessage):
            if not self.deaf:
                self._take_pack(message)
        else:
            self.others.append(message)

    def _tell_time(self, asked: int) -> None:
        self.send(link.TimeMessage(self.clock(), SYNCED, asked))

    def _take_pack(self, message: link.PackMessage) -> None:
        pack, _ = open_pack(message.raw, lambda _kid, signed, signature: verifies(self.public, signed, signature))
        place = (pack.boot, pack.sequence)
        self.oldest = (message.oldest_boot, message.oldest_sequence)
        if place in self.packs:
            self.repeated += 1
            assert self.packs[place][1] == message.raw, f"two histories: {place} came with other content"
        elif self.order and self.oldest < place and self._previous_unknown(pack):
            self.send(link.Error(link.OUT_OF_ORDER, "packs before this one come first"))
            return
        else:
            self.packs[place] = (pack, message.raw)
            self.order.append(place)
        self.send(link.Ack(pack.device, pack.boot, pack.sequence, pack_hash(message.raw)))

    def _previous_unknown(self, pack: Pack) -> bool:
        return pack.previous != pack_hash(self.packs[self.order[-1]][1])

    def check_chain(self) -> None:
        """Every pack names the one before it, from the very first on, and they came in order and without a gap."""
        assert self.order == sorted(self.order)
        previous = NO_PREVIOUS
        expected: dict[int, int] = {}
        for place in self.order:
            pack, raw = self.packs[place]
            assert pack.previous == previous, f"the chain is broken at {place}"
            assert pack.sequence == expected.get(pack.boot, 0), f"a gap before {place}"
            expected[pack.boot] = pack.sequence + 1
            previous = pack_hash(raw)


class Node:
    """The process; start() may be called again after it ended. Its own words are in `said`."""

    def __init__(self, micropython: Path, config: Path, firmware: Path = ROOT / "firmware"):
        self._command: list[Path | str] = [micropython, "-m", "wayside_node", "--config", config]
        self._environment = os.environ | {"MICROPYPATH": f".frozen:{firmware}:{ROOT / 'boards' / 'UNIX'}"}
        self._process: asyncio.subprocess.Process | None = None
        self._words = config.with_suffix(".log")

    def heap(self, size: str) -> None:
        """It has so much from the next start on, as the VM writes it: "320k"."""
        self._command[1:1] = ["-X", f"heapsize={size}"]

    async def public_key(self) -> bytes:
        process = await asyncio.create_subprocess_exec(
            *self._command, "--public-key", env=self._environment, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        return bytes.fromhex(out.decode().strip())  # empty where no key can be made

    async def start(self) -> None:
        with self._words.open("ab") as words:
            self._process = await asyncio.create_subprocess_exec(*self._command, env=self._environment, stderr=words)

    def signal(self, number: int) -> None:
        assert self._process
        self._process.send_signal(number)

    async def ended(self) -> int:
        assert self._process
        async with asyncio.timeout(PATIENCE_S):
            return await self._process.wait()

    async def kill(self) -> None:
        if self._process and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    @property
    def said(self) -> str:
        return self._words.read_text()


class Bench:
    def __init__(self, micropython: Path, folder: Path, gateway: Gateway, meter: Sdm630, ports: tuple[str, str]):
        self.micropython = micropython
        self.folder = folder
        self.gateway = gateway
        self.meter = meter
        self._link_port, self.bus_port = ports
        self.mute = False  # the meter does not answer
        self.nodes: list[Node] = []
        self.unplug_meter: Callable[[], Awaitable[None]]

    async def node(self, **changes: object) -> Node:
        """A node, configured, its key known to the gateway; `changes` go to the meter or to the top of the file."""
        profile = for_node(profiles.load("eastron-sdm630"), CHANNELS)
        meter = {"device": "meter-1", "port": self.bus_port, "baud": 115200, "unit": 1, "profile": profile}
        meter |= {"poll_ms": 100, "report_ms": 100, "timeout_ms": 100, "quiet_ms": 100}
        config = {"node": "node-1", "state": str(self.folder / "state"), "link": {"port": self._link_port}}
        config["gateway"] = KEY.public.hex()
        for key, value in changes.items():
            (meter if key in meter else config)[key] = value
        path = self.folder / "node.json"
        path.write_text(json.dumps(config | {"meters": [meter]}))
        node = Node(self.micropython, path)
        self.nodes.append(node)
        self.gateway.public = await node.public_key()
        return node

    def stored(self, device: str = "meter-1") -> int:
        """Bytes of its packs in flash."""
        return sum(path.stat().st_size for path in (self.folder / "state" / "journal" / device).glob("*.seg"))

    async def packs(self, count: int) -> None:
        """Wait until the gateway has this many."""
        await until(lambda: len(self.gateway.packs) >= count, f"{count} packs")


@asynccontextmanager
async def bench(micropython: Path, folder: Path) -> AsyncIterator[Bench]:
    meter = Sdm630()
    answer = answer_for({1: meter})
    made: list[Bench] = []

    def answered(body: bytes) -> bytes | None:
        return None if made and made[0].mute else answer(body)

    with raw_pty() as (handle, link_port):
        async with AsyncExitStack() as adapter:
            bus_port = await adapter.enter_async_context(serve_pty(answered, baud=115200, turnaround_s=0.001))
            gateway = Gateway(handle)
            asyncio.get_running_loop().add_reader(handle, gateway.readable)
            made.append(Bench(micropython, folder, gateway, meter, (link_port, bus_port)))
            made[0].unplug_meter = adapter.aclose
            try:
                yield made[0]
            finally:
                for node in made[0].nodes:
                    await node.kill()
                asyncio.get_running_loop().remove_reader(handle)
                asyncio.get_running_loop().remove_writer(handle)


STOP, GO, ALARM = signal.SIGSTOP, signal.SIGCONT, signal.SIGALRM

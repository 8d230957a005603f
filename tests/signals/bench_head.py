"""A signal node in the real VM between a cabinet, and a controller and a monitor that the test plays."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from signals.junctions import build
from waiting import PATIENCE_S, until
from wayside.control.signals import core
from wayside.control.signals.channels import draft_matrix, lamp_bytes
from wayside.control.signals.junction import PEDESTRIAN, Group
from wayside.evidence.note import ED25519, NoteKey, sign_note
from wayside.lab.plant.cabinet import Cabinet
from wayside.lab.plant.cable import raw_pty
from wayside_wire import frame
from wayside_wire.mac import Hmac
from wayside_wire.signal_frames import FAULT, FINE, FLASHING, NO_FAULT, RESET, RUNNING, Order, Permit, Shown, unseal
from wayside_wire.signal_line import End
from wayside_wire.signal_matrix import place

ROOT = Path(__file__).parents[2]
JUNCTION = build(
    (Group("ns", 50, 30, 700), Group("ew", 50, 30, 700), Group("walk", 50, 30, 700, kind=PEDESTRIAN, flash="dark")),
    {("ns", "walk")},
    (("ns", "walk"), ("ew",)),
    extra=0,
)
TOWN = Ed25519PrivateKey.from_private_bytes(b"t" * 32)
TOWN_KEY = NoteKey("town", ED25519, TOWN.public_key().public_bytes_raw())
KEYS = {"controller": b"c" * 32, "monitor": b"m" * 32}


class Master:
    """One end of a line to the node; `said` is the node's last picture, `sent` every frame that went out."""

    def __init__(self, handle: int, key: bytes):
        self.handle = handle
        self.said: Shown | None = None
        self.silent = False
        self.spoil: Callable[[bytes], bytes] = lambda data: data
        self.sent: list[bytes] = []
        self.key = Hmac(key)
        self.end = End(self.key, place("bench", 1), os.urandom(8), Shown)
        self._decoder = frame.FrameDecoder()
        self._last: tuple[object, ...] = ()

    def readable(self) -> None:
        """Pictures; each is answered by what was said last."""
        for message in self._decoder.feed(os.read(self.handle, 4096)):
            self.said = unseal(message, self.key)
            self.end.hear(clock_ms(), message)
        if self._last and self.end.waiting:
            self.send(*self._last)

    def say(self, *what: object) -> None:
        """Order and lamps, or Permit, a verdict and minutes, from now on."""
        if what != self._last:
            self._last = what
            self.send(*what)

    def send(self, *what: object) -> None:
        if not self.silent:
            raw = self.end.say(clock_ms(), *what)
            self.sent.append(raw)
            self.write(raw)

    def write(self, raw: bytes) -> None:
        os.write(self.handle, self.spoil(frame.encode(raw)))


def clock_ms() -> int:
    return int(time.monotonic() * 1000)


class Process:
    """A command that can be started again; what it says is in `log`."""

    def __init__(self, words: list[object], log: Path, environment: dict[str, str]):
        self._words = words
        self._log = log
        self._environment = os.environ | environment
        self.running: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self.running = await asyncio.create_subprocess_exec(*self._words, env=self._environment, stderr=log)

    def signal(self, number: int) -> None:
        assert self.running
        self.running.send_signal(number)

    async def kill(self) -> None:
        if self.running and self.running.returncode is None:
            self.running.kill()
            await self.running.wait()

    async def ended(self) -> int:
        assert self.running
        async with asyncio.timeout(PATIENCE_S):
            return await self.running.wait()

    @property
    def log(self) -> str:
        return self._log.read_text()


class NodeProcess(Process):
    """The signal node in the real VM; `config` is written when it starts."""

    def __init__(self, micropython: Path, folder: Path, ports: dict[str, str], matrix: str):
        words: list[object] = [micropython, "-m", "wayside_signal", "--config", folder / "signal.json"]
        path = f".frozen:{ROOT / 'firmware'}:{ROOT / 'boards' / 'UNIX'}"
        super().__init__(words, folder / "signal.log", {"MICROPYPATH": path})
        self.folder = folder
        (folder / "matrix").write_bytes(sign_note(matrix, TOWN_KEY, TOWN.sign).encode())
        peers = {name: {"port": ports[name], "key": KEYS[name].hex()} for name in KEYS}
        self.config = {
            "node": "head-1", "state": str(folder / "state"), "lamps": ports["lamps"],
            "matrix": {"file": str(folder / "matrix"), "key": str(TOWN_KEY)}, **peers,
        }  # fmt: skip

    async def start(self) -> None:
        (self.folder / "signal.json").write_text(json.dumps(self.config))
        await super().start()


class HeadBench:
    """`lamps_of` turns the core's lamps into what is ordered, so that a test can order nonsense."""

    def __init__(self, micropython: Path, folder: Path, ports: dict[str, str], handles: dict[str, int]):
        self.node = NodeProcess(micropython, folder, ports, draft_matrix("bench", JUNCTION))
        self.cabinet = Cabinet(handles["lamps"], lamp_bytes(core.outputs(JUNCTION, core.begin(JUNCTION))))
        self.controller = Master(handles["controller"], KEYS["controller"])
        self.monitor = Master(handles["monitor"], KEYS["monitor"])
        self.verdict = FINE
        self.watched = 0
        self.lamps_of: Callable[[bytes], bytes] = lambda lamps: lamps
        self.lag_s = 0.0
        self.state = core.begin(JUNCTION)
        self.wanted = frozenset({0, 2})

    async def play(self) -> None:
        """Controller and monitor, ten times a second, for ever."""
        while True:
            began = time.monotonic()
            said = self.controller.said
            lost = said is not None and said.mode != RUNNING and said.reason not in ("", "ordered")
            self.state = core.step(JUNCTION, self.state, core.Requests(self.wanted, flash=lost))
            self.controller.say(Order, self.lamps_of(lamp_bytes(core.outputs(JUNCTION, self.state))))
            said = self.monitor.said
            fault = said.fault if said and self.verdict == RESET else NO_FAULT
            self.monitor.say(Permit, self.verdict, fault, self.watched)
            await asyncio.sleep(0.1)
            self.lag_s = max(self.lag_s, time.monotonic() - began - 0.1)

    async def running(self) -> None:
        """Wait until some lamp is green; starts that a busy machine made too many are reset."""

        def green() -> bool:
            if self.reason.startswith("service began"):
                self.verdict = RESET
            elif self.verdict == RESET:
                self.verdict = FINE
            return any(lamp == 4 for lamp in self.cabinet.lamps)

        await until(green, "green")

    async def flash_after(self, fault: Callable[[], object], mend: Callable[[], object] = lambda: None) -> float:
        """Seconds from the fault to the flash at the lamps; when the test was held up it mends and tries again."""
        for _ in range(5):
            await self.running()
            self.cabinet.clear()
            self.lag_s = 0.0
            began = time.monotonic()
            fault()
            await until(lambda: self.cabinet.flashing, "flash")
            took_s = self.cabinet.seen[-1][0] - began
            await asyncio.sleep(0.11)
            if self.lag_s < 0.05:
                return took_s
            mend()
            await self.reset()
        raise AssertionError("the host was never quiet enough to measure")

    async def reset(self) -> None:
        """Reset a fault, if there is one."""
        self.verdict = RESET
        await until(lambda: self.mode != FAULT, "the reset")
        self.verdict = FINE

    @property
    def mode(self) -> int:
        return self.controller.said.mode if self.controller.said else FLASHING

    @property
    def reason(self) -> str:
        return self.controller.said.reason if self.controller.said else ""


@asynccontextmanager
async def head_bench(micropython: Path, folder: Path) -> AsyncIterator[HeadBench]:
    loop = asyncio.get_running_loop()
    with raw_pty() as (c, c_port), raw_pty() as (m, m_port), raw_pty() as (lamps, lamps_port):
        ports = {"controller": c_port, "monitor": m_port, "lamps": lamps_port}
        made = HeadBench(micropython, folder, ports, {"controller": c, "monitor": m, "lamps": lamps})
        readers = ((c, made.controller.readable), (m, made.monitor.readable), (lamps, made.cabinet.readable))
        for handle, readable in readers:
            loop.add_reader(handle, readable)
        playing = asyncio.create_task(made.play())
        try:
            yield made
        finally:
            playing.cancel()
            await made.node.kill()
            made.cabinet.close()
            for handle, _ in readers:
                loop.remove_reader(handle)

"""A street for scenarios: a sensor and a receiver on emulated boards, a modelled air, and the gateway's daemon.

The daemon is the real one, in a thread, at the end of a pty; so simulated time goes no faster than real time here.
"""

import asyncio
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from wayside.daemon.daemon import Daemon
from wayside.evidence import kinds
from wayside.evidence.entry import decode_entry
from wayside.evidence.stream import device_stream
from wayside.lab.plant.cable import raw_pty
from wayside.log import LogError, LogReader
from wayside.runtime.clock import SystemClock
from wayside.settings.secret_role import Role
from wayside.site import config, secret_files
from wayside_wire.pack import NO_PREVIOUS, Pack, open_pack, pack_hash

from ..cable import Cable
from ..lora.air import Air
from ..supply import Supply
from ..world import join
from .radio_node import LINK_UART, RadioNode

KEY = bytes(range(16))
NETWORK, NODE = 4711, 12
RADIO = {"region": "EU868", "sf": 7, "freq_khz": 869525}
DEVICE = "loop-1"
_LOOK_S = 0.05  # a reader of the log checks its whole tree, and a scenario asks each millisecond

_SITE = """
[site]
name = "street.example"
[[radio]]
name = "mast"
port = "{port}"
network = 4711
[[radio.sensor]]
name = "loop-node"
device = "loop-1"
number = 12
key_file = "loop-1.key"
public_key = "{public}"
channels = [{{name = "vehicles", unit = "count", exponent = 0}}, {{name = "presence", unit = "/", exponent = 0}}]
"""


def receiver_config() -> dict[str, Any]:
    return {"role": "radio", "state": "/state", "radio": RADIO, "chip": {}, "link": {"port": "link"}}


def sensor_config(**changes: Any) -> dict[str, Any]:
    return {
        "role": "sensor", "state": "/state", "radio": RADIO, "chip": {"dbm": 14}, "network": NETWORK, "node": NODE,
        "device": DEVICE, "key": KEY.hex(), "report_ms": 1000, "sign_every": 2, "listen_ms": 900,
        "sensors": [{"kind": "loop", "port": "contact1"}],
    } | changes  # fmt: skip


class Weather:
    """`bad`: of ten packets two are lost, one is damaged, and one is damaged and called good, as a bad driver does."""

    def __init__(self, random: Random):
        self.bad = False
        self._random = random

    def spoil(self, packet: bytes) -> tuple[bytes, bool] | None:
        fate = self._random.randrange(10) if self.bad else 9
        if fate < 2:
            return None
        if fate > 3:
            return packet, True
        return packet[:-1] + bytes([packet[-1] ^ 1]), fate == 3


class Logged(NamedTuple):
    pack: Pack
    raw: bytes


class StreetGateway:
    """The daemon. `packs`: what its log has of the sensor; `deaf`: it does not run."""

    def __init__(self, folder: Path):
        self.site = folder / "site.toml"
        self._log = folder / "state" / "log"
        self._packs: dict[tuple[int, int], Logged] = {}
        self._read = 0
        self._look_at = 0.0
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop
        self._daemon: asyncio.Task[None]

    @property
    def deaf(self) -> bool:
        return self._thread is None

    @deaf.setter
    def deaf(self, value: bool) -> None:
        if value and self._thread is not None:
            self._loop.call_soon_threadsafe(self._daemon.cancel)
            self._thread.join()
            self._thread = None
        elif not value and self._thread is None:
            ready = threading.Event()
            self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True)
            self._thread.start()
            ready.wait()

    @property
    def packs(self) -> dict[tuple[int, int], Logged]:
        if time.monotonic() < self._look_at:
            return self._packs
        self._look_at = time.monotonic() + _LOOK_S
        try:
            log = LogReader(self._log)
        except LogError:  # nothing is signed yet
            return self._packs
        for record in log.records(self._read, log.size):
            entry = decode_entry(record.entry)
            if entry.stream == device_stream(DEVICE) and isinstance(entry.body, kinds.PackBody):
                raw = entry.body.raw
                pack, _ = open_pack(raw, lambda kid, signed, signature: True)  # the daemon has verified it
                self._packs[pack.boot, pack.sequence] = Logged(pack, raw)
            self._read += 1
        log.close()
        return self._packs

    def check_chain(self) -> None:
        """Every pack names the one before it, from the very first on."""
        previous = NO_PREVIOUS
        for place, logged in self.packs.items():
            assert logged.pack.previous == previous, f"the chain is broken at {place}"
            previous = pack_hash(logged.raw)

    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        daemon = Daemon(config.load(self.site), self.site, SystemClock())
        self._daemon = asyncio.create_task(daemon.run())
        ready.set()
        await asyncio.gather(self._daemon, return_exceptions=True)


class StreetNode:
    """To a scenario the same as MeterNode; the power that it cuts is the sensor's."""

    def __init__(self, image: Path, folder: Path):
        self.weather = Weather(Random(1))
        air = Air(spoil=self.weather.spoil)
        self._stack = ExitStack()
        handle, self._path = self._stack.enter_context(raw_pty())
        self.sensor = self._stack.enter_context(RadioNode(image, air, seed=1))
        self.receiver = self._stack.enter_context(RadioNode(image, air, seed=2))
        self.world = self.sensor.world
        self.supply = Supply(self.sensor.board)
        self.world.plugs.append(self.supply)
        self.crystal = self.sensor.board.set_crystal
        self.contact = self.sensor.contacts["contact1"]
        self.gateway = StreetGateway(folder)
        self._cable = Cable(self.receiver.board, LINK_UART, handle)
        self._folder = folder
        join(self.sensor.world, self.receiver.world)

    def provision(self, settings: dict[str, Any]) -> None:
        """Both boards and the site; the receiver and the daemon begin to work."""
        public = self.sensor.provision(settings)
        self.receiver.provision(receiver_config())
        secret_files.write(self._folder / "site.toml", Role.RADIO, "loop-1.key", f"{KEY.hex()}\n".encode())
        self.gateway.site.write_text(_SITE.format(port=self._path, public=public.hex()))
        self.receiver.world.plugs.append(self._cable)
        self.receiver.start()
        self.gateway.deaf = False

    def start(self) -> int:
        self.sensor.start()
        return self.world.now

    def cut_power(self) -> None:
        self.sensor.cut_power()

    def close(self) -> None:
        self.gateway.deaf = True
        self._stack.close()

"""The whole path on one machine: simulated meters, a node in a real MicroPython VM, the gateway, a broker, a receiver.

Everything but the meters, the cables and the broker is the real thing, in processes of its own. Needs the source
checkout, because the node's files and the board are no part of the installed package. Only `cli` imports this module.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from wayside import profiles
from wayside.lab.plant import Sdm630, answer_for, serve_pty, serve_tcp
from wayside.lab.plant.cable import Tap, null_modem
from wayside.log import LogReader
from wayside.net.endpoint import MQTT_3_1_1
from wayside.net.mqtt.broker import Broker
from wayside.profiles.node import for_node
from wayside.receiver.account import SiteAccount
from wayside.trust.keys import load_or_create

SITE = "demo.wayside.example"
PROFILE = "eastron-sdm630"
NODE_METER, POLLED_METER = "meter-1", "meter-2"
CHANNELS = (
    *(f"{quantity}_l{phase}" for quantity in ("voltage", "power_active") for phase in (1, 2, 3)),
    "power_active",
    "frequency",
    "energy_active_import",
    "energy_active_export",
)

_ROOT = Path(__file__).resolve().parents[3]
_STOP_S = 10.0
_ARRIVAL_S = 10.0


@dataclass(frozen=True, slots=True)
class Rates:
    """How often meters are polled and packs made, and how fast the meter's line is."""

    poll_ms: int = 1000
    report_ms: int = 2000
    baud: int = 9600


class DemoError(Exception):
    """The demo cannot run here; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Plant:
    """What the gateway and the node find: paths of serial lines, a Modbus/TCP port, a broker."""

    meter_line: str
    node_end: str
    gateway_end: str
    modbus_port: int
    broker: Broker
    rates: Rates


@asynccontextmanager
async def plant(seed: int, broker: Broker, rates: Rates, to_node: Tap | None = None) -> AsyncIterator[Plant]:
    """Two meters, one on a serial line and one on TCP, and the cable between node and gateway, as Plant says.

    `to_node` hears what the gateway says to the node.
    """
    async with AsyncExitStack() as stack:
        line = await stack.enter_async_context(serve_pty(answer_for({1: Sdm630(seed)}), rates.baud))
        port = await stack.enter_async_context(serve_tcp(answer_for({1: Sdm630(seed + 1)})))
        node_end, gateway_end = await stack.enter_async_context(null_modem(to_node))
        yield Plant(line, node_end, gateway_end, port, broker, rates)


async def virtual_board() -> Path:
    """The executable of the board UNIX, built when it has to be."""
    if given := os.environ.get("WAYSIDE_MICROPYTHON"):
        return Path(given)
    tool = _ROOT / "tools" / "virtual_board.py"
    if not tool.exists():
        raise DemoError("the demo runs from the source checkout: clone it and type `make run` there")
    made = await asyncio.create_subprocess_exec(sys.executable, tool, stdout=asyncio.subprocess.PIPE)
    out, _ = await made.communicate()
    if made.returncode:
        raise DemoError("the virtual board could not be built, see above")
    return Path(out.decode().strip())


class Process:
    """A child process whose output goes to a file."""

    def __init__(self, name: str, words: Sequence[str | Path], log: Path, environment: dict[str, str] | None = None):
        self.name = name
        self.log = log
        self._words = words
        self._environment = {**os.environ, **(environment or {})}
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as out:
            self._process = await asyncio.create_subprocess_exec(
                *self._words,
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,  # Ctrl-C is for the demo, which stops its children in order
            )

    def kill(self) -> None:
        """As power does it."""
        assert self._process
        self._process.kill()

    async def ended(self) -> int:
        """Its exit status, once it has one."""
        assert self._process
        return await self._process.wait()

    async def stop(self) -> int:
        """Ask it to end, and make it end when it does not; its exit status, 0 when it never ran."""
        if self._process is None:
            return 0
        if self._process.returncode is None:
            self._process.terminate()
        try:
            async with asyncio.timeout(_STOP_S):
                return await self._process.wait()
        except TimeoutError:
            self._process.kill()
            return await self._process.wait()

    def last_words(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-5:])


async def caught_up(account: SiteAccount, log: Path) -> None:
    """Wait until all that the log at `log` has signed has arrived, or has had its time to."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_ARRIVAL_S):
            while True:
                reader = LogReader(log)
                reader.close()
                known = account.logs.get(reader.origin)
                if known and known.size == reader.size and not account.outstanding():
                    return
                await asyncio.sleep(0.1)


def node_process(folder: Path, machine: Path, found: Plant) -> Process:
    """The node, configured to read the meter on its line and to report over the cable."""
    (folder / "state").mkdir(parents=True, exist_ok=True)
    gateway = load_or_create(folder / "state" / "identity.key")  # as the gateway itself would make it
    config = {
        "node": "node-1",
        "state": str(folder / "node"),
        "gateway": gateway.public.hex(),
        "journal_bytes": 1 << 20,  # minutes without a gateway: on a busy machine its start takes long
        "link": {"port": found.node_end, "baud": 115_200},
        "meters": [
            {
                "device": NODE_METER,
                "port": found.meter_line,
                "baud": found.rates.baud,
                "parity": "N",
                "unit": 1,
                "poll_ms": found.rates.poll_ms,
                "report_ms": found.rates.report_ms,
                "profile": for_node(profiles.load(PROFILE), CHANNELS),
            }
        ],
    }
    (folder / "node").mkdir(parents=True, exist_ok=True)
    path = folder / "node.json"
    path.write_text(json.dumps(config, indent=1))
    words: list[str | Path] = [machine, "-m", "wayside_node", "--config", path]
    places = f".frozen:{_ROOT / 'firmware'}:{_ROOT / 'boards' / 'UNIX'}"
    return Process("node", words, folder / "node.log", {"MICROPYPATH": places})


async def node_public_key(node: Process) -> str:
    """What the node prints as its public key; it makes the key when it has none yet."""
    asked = await asyncio.create_subprocess_exec(
        *node._words, "--public-key", env=node._environment, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asked.communicate()
    if asked.returncode:
        raise DemoError("the node could not make its key, see above")
    return out.decode().strip()


def gateway_process(folder: Path, found: Plant, public_key: str) -> Process:
    """The gateway, with a site file that knows the node and the meter on TCP."""
    path = folder / "site.toml"
    channels = ", ".join(f'"{channel}"' for channel in CHANNELS)
    path.write_text(
        f"""[site]
name = "{SITE}"

[[bus]]
name = "switchboard"
endpoint = "tcp://127.0.0.1:{found.modbus_port}"

[[bus.device]]
name = "{POLLED_METER}"
unit = 1
profile = "{PROFILE}"
poll_ms = {found.rates.poll_ms}
report_ms = {found.rates.report_ms}
channels = [{channels}]

[[node]]
name = "node-1"
port = "{found.gateway_end}"
public_key = "{public_key}"
devices = ["{NODE_METER}"]

[[sink]]
name = "city"
kind = "mqtt"
url = "mqtt://127.0.0.1:{found.broker.port}?{MQTT_3_1_1}"

[[sink]]
name = "dashboard"
kind = "mqtt-json"
url = "mqtt://127.0.0.1:{found.broker.port}?{MQTT_3_1_1}"
"""
    )
    return Process("gateway", [sys.executable, "-m", "wayside", "run", path], folder / "gateway.log")

"""A node whose link is mqtts, whose clock begins anywhere, and whose time comes over that link alone (decision 0128).

The real node in its VM and a real broker with TLS. The node's wall clock is one of its own (wall_clock.c), which begins
in 2000 as that of an ESP32 does, or in the far future as one with a bad battery, and which the node sets.
"""

import asyncio
import json
import struct
import subprocess
import sys
import time
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate
from north.certificates import Authority
from north.mosquitto import PROGRAM, Mosquitto
from path.mqtt_site import Site
from waiting import until
from wayside.lab import demo
from wayside.lab.plant import Sdm630, answer_for, serve_pty
from wayside.settings.secret_role import Role
from wayside.site import secret_files
from wayside_wire.pack import UNSYNCED, open_pack

pytestmark = [
    pytest.mark.skipif(PROGRAM is None, reason="there is no mosquitto; install the Debian package mosquitto"),
    pytest.mark.skipif(sys.platform != "linux", reason="a clock of one's own wants LD_PRELOAD"),
]

ROOT = Path(__file__).parents[2]
BEGIN_S = 946_684_800  # 2000-01-01
FAR_S = 3_786_912_000  # 2090-01-01
DAY_MS = 86_400_000
FRONT = 32  # bytes before each pack, as wayside_node/journal.py has it


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the module `board` of a virtual board that has a clock, and the library that is its clock."""
    folder = tmp_path_factory.mktemp("board")
    source = Path(__file__).with_name("wall_clock.c")
    made = subprocess.run(
        ["cc", "-shared", "-fPIC", "-o", folder / "wall_clock.so", source, "-ldl"], capture_output=True
    )
    if made.returncode:
        pytest.skip(f"no C compiler: {made.stderr.decode().strip()[-200:]}")
    text = (ROOT / "boards" / "UNIX" / "board.py").read_text()
    text += f"_set_wall_clock = ffi.open({str(folder / 'wall_clock.so')!r}).func('v', 'set_wall_clock', 'q')\n"
    (folder / "board.py").write_text(text + "def set_clock(utc_ms):\n    _set_wall_clock(utc_ms // 1000)\n")
    return folder


def environment(clock: Path, begin_s: int) -> dict[str, str]:
    return {"LD_PRELOAD": str(clock / "wall_clock.so"), "WALL_CLOCK_S": str(begin_s)}


def keep(state: Path, utc_ms: int) -> None:
    """As wayside_node/copies.py has it."""
    import binascii

    state.mkdir(exist_ok=True)
    data = struct.pack("<IQ", 3, utc_ms)
    for copy in (0, 1):
        (state / f"utc.{copy}").write_bytes(data + struct.pack("<I", binascii.crc32(data)))


class Bench:
    """A node with one contact, and a broker with a certificate that ends `days` from now and began two days before."""

    def __init__(self, stack: ExitStack, folder: Path, machine: Path, clock: Path, begin_s: int, days: int = 1):
        authority = Authority(folder, "ours", years=4)
        certificate, key = authority.issue("broker", days)
        self.broker = stack.enter_context(Mosquitto(folder, f"certfile {certificate}", f"keyfile {key}"))
        der = load_pem_x509_certificate(authority.ca_file.read_bytes()).public_bytes(Encoding.DER)
        (folder / "authority.der").write_bytes(der)
        self.state = folder / "state"
        self.log = folder / "node.log"
        self._broker_log = folder / f"mosquitto-{self.broker.port}.log"
        link = {"mqtt": f"mqtts://127.0.0.1:{self.broker.port}", "topic": "wayside/test.example/nodes/node-1"}
        link |= {"ca": str(folder / "authority.der")}
        door = {"kind": "digital", "port": str(folder / "door"), "name": "door"}
        config = {
            "node": "node-1", "state": str(self.state), "gateway": "5" * 64, "link": link,
            "sensors": {"device": "box", "report_ms": 1000, "list": [door]},
        }  # fmt: skip
        (folder / "node.json").write_text(json.dumps(config))
        places = {"MICROPYPATH": f".frozen:{ROOT / 'firmware'}:{clock}", **environment(clock, begin_s)}
        words: list[str | Path] = [machine, "-m", "wayside_node", "--config", folder / "node.json"]
        self.node = demo.Process("node", words, self.log, places)

    def connections(self) -> int:
        return self._broker_log.read_text().count(" connected from ")

    def qualities(self) -> set[int]:
        """Of all packs that wait in the journal."""
        found = set()
        for segment in (self.state / "journal" / "box").glob("*.seg"):
            data = segment.read_bytes()
            at = FRONT  # the first record has no pack
            while at + FRONT < len(data):
                size = struct.unpack_from("<H", data, at + 2)[0]
                found.add(open_pack(data[at + FRONT : at + FRONT + size], lambda *_: True)[0].time_quality)
                at += FRONT + size
        return found


def now_ms() -> int:
    return time.time_ns() // 1_000_000


WELCOME, REFUSED = True, False
CASES = {
    "nothing is kept": (BEGIN_S, None, 1, WELCOME),
    "the time of yesterday is kept": (BEGIN_S, -DAY_MS // 2, 1, WELCOME),
    "renewed since: the node was off for 100 days": (BEGIN_S, -100 * DAY_MS, 1, WELCOME),
    "a clock in the far future": (FAR_S, -DAY_MS // 2, 1, WELCOME),
    "a clock in the far future, and nothing is kept": (FAR_S, None, 1, WELCOME),
    "ended before the kept time": (BEGIN_S, 0, -1, REFUSED),
    "ended before the kept time, and the clock says it has not": (BEGIN_S + 27 * 31_536_000, 0, -1, REFUSED),
    "a kept time that cannot be": (BEGIN_S, 90 * 365 * DAY_MS, 1, WELCOME),
    "a kept time that is wrong: refused at first": (BEGIN_S, 400 * DAY_MS, 1, REFUSED),
}


@pytest.mark.parametrize("case", CASES)
def test_a_node_is_let_in_by_what_is_certain(case: str, tmp_path: Path, micropython: Path, clock: Path):
    begin_s, kept_ms, days, wanted = CASES[case]

    async def scenario() -> None:
        with ExitStack() as stack:
            b = Bench(stack, tmp_path, micropython, clock, begin_s, days)
            if kept_ms is not None:
                keep(b.state, now_ms() + kept_ms)
            await b.node.start()
            try:
                if wanted == WELCOME:
                    await until(lambda: b.connections() > 0, "the broker welcomes the node")
                else:
                    await until(lambda: "mqtt: 127.0.0.1: " in b.log.read_text(), "the node says why not")
                await until(lambda: len(b.qualities()) > 0, "a pack")
                assert (b.connections() > 0) == wanted
                assert b.qualities() == {UNSYNCED}, "a kept time is no time of a reading"
                assert wanted or "The certificate validity has expired" in b.log.read_text()
            finally:
                await b.node.stop()

    asyncio.run(scenario())


def test_damage_to_what_is_kept_costs_nothing(tmp_path: Path, micropython: Path, clock: Path):
    async def scenario() -> None:
        with ExitStack() as stack:
            b = Bench(stack, tmp_path, micropython, clock, BEGIN_S)
            b.state.mkdir()
            (b.state / "utc.0").write_bytes(b"\xff" * 16)
            (b.state / "utc.1").write_bytes(b"")
            await b.node.start()
            try:
                await until(lambda: b.connections() > 0, "the broker welcomes the node")
            finally:
                await b.node.stop()

    asyncio.run(scenario())


def test_the_gateway_tells_the_time_and_the_node_keeps_it(
    tmp_path: Path, micropython: Path, clock: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LD_PRELOAD", str(clock / "wall_clock.so"))  # of the gateway too, for whom it is synchronised

    async def scenario() -> None:
        authority = Authority(tmp_path, "ours", years=4)
        certificate, key = authority.issue("broker")
        der = load_pem_x509_certificate(authority.ca_file.read_bytes()).public_bytes(Encoding.DER)
        (tmp_path / "authority.der").write_bytes(der)
        async with AsyncExitStack() as stack:
            line = await stack.enter_async_context(serve_pty(answer_for({1: Sdm630(1)}), 115_200))
            broker = stack.enter_context(Mosquitto(tmp_path, f"certfile {certificate}", f"keyfile {key}"))
            url = f"mqtts://127.0.0.1:{broker.port}"
            link: dict[str, object] = {"mqtt": url, "ca": str(tmp_path / "authority.der")}
            site = Site(tmp_path, micropython, line, link, clock, **environment(clock, BEGIN_S))
            stack.push_async_callback(site.stop)
            secret_files.write(tmp_path / "site.toml", Role.TLS, "ca.pem", authority.ca_file.read_bytes())
            await site.start(url, 'ca_file = "ca.pem"')
            kept = tmp_path / "node" / "utc.1"
            await until(lambda: kept.exists() and len(kept.read_bytes()) == 16, "the time is kept")
            (_, utc_ms) = struct.unpack_from("<IQ", kept.read_bytes())
            assert abs(utc_ms - now_ms()) < 120_000
            await site.until_packs(3)

    asyncio.run(scenario())

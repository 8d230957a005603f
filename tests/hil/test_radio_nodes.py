"""A street on emulated boards: contacts, the real driver, the air, the receiving board, the gateway and its log."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from emulated import built_image
from wayside import config, profiles
from wayside.cli import main as wayside
from wayside.clock import SystemClock
from wayside.daemon import Daemon
from wayside.plant.cable import raw_pty
from wayside.radios import Lora
from wayside.trust.keys import load

from hil.air import Air
from hil.cable import Cable
from hil.radio_node import LINK_UART, RadioNode
from hil.world import join

KEY = bytes(range(16))
NETWORK, NODE = 4711, 12
S = 1_000_000_000
RADIO = {"region": "EU868", "sf": 7, "freq_khz": 869525}

SITE = """
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


@pytest.fixture(scope="session")
def radio_image() -> Path:
    return built_image("RP2040_RADIO")


def receiver_config() -> dict[str, object]:
    return {"role": "radio", "state": "/state", "radio": RADIO, "chip": {}, "link": {"port": "link"}}


def sensor_config(**changes: object) -> dict[str, object]:
    return {
        "role": "sensor", "state": "/state", "radio": RADIO, "chip": {"dbm": 14}, "network": NETWORK, "node": NODE,
        "device": "loop-1", "key": KEY.hex(), "report_ms": 1000, "sign_every": 2, "listen_ms": 900,
        "sensors": [{"kind": "loop", "port": "contact1"}],
    } | changes  # fmt: skip


@contextmanager
def street(image: Path, air: Air, **changes: object) -> Iterator[tuple[RadioNode, RadioNode, bytes]]:
    """(sensor, receiver, the sensor's public key), provisioned and switched on."""
    with RadioNode(image, air, seed=1) as sensor, RadioNode(image, air, seed=2) as receiver:
        join(sensor.world, receiver.world)
        public = sensor.provision(sensor_config(**changes))
        receiver.provision(receiver_config())
        receiver.start()
        sensor.start()
        yield sensor, receiver, public


def test_from_a_contact_to_evidence(radio_image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def scenario() -> None:
        air = Air()
        with raw_pty() as (handle, path), street(radio_image, air) as (sensor, receiver, public):
            receiver.world.plugs.append(Cable(receiver.board, LINK_UART, handle))
            (tmp_path / "loop-1.key").write_text(KEY.hex() + "\n")
            site = tmp_path / "site.toml"
            site.write_text(SITE.format(port=path, public=public.hex()))
            daemon = Daemon(config.load(site, profiles.names()), site, SystemClock())
            running = asyncio.create_task(daemon.run())
            try:
                [mast] = daemon.parts.running.of(Lora)
                link, receiver = mast.link, mast.receiver
                for vehicles in (0, 1, 2):
                    if vehicles:
                        sensor.contacts["contact1"].close_for(S // 4)
                    deadline = sensor.world.now + 30 * S
                    packs = receiver.counters["packs"]
                    while receiver.counters["packs"] < packs + 2:  # the first may have been begun before
                        assert sensor.world.now < deadline, (air.counts, dict(receiver.counters), dict(link.counters))
                        await asyncio.to_thread(sensor.world.run_for, S // 20)
                    assert daemon.image.snapshot["loop-1"]["vehicles"].mantissa == vehicles
                assert link.radio and link.radio.board == "RP2040_RADIO"
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
            assert not air.counts["met"] and not air.counts["damaged"]

    asyncio.run(scenario())
    evidence = tmp_path / "street.wayside"
    assert wayside(["export", str(tmp_path / "site.toml"), str(evidence)]) == 0
    capsys.readouterr()
    judged = wayside(["verify", str(evidence), "--key", load(tmp_path / "state" / "log.key").public.hex()])
    said = capsys.readouterr().out
    assert judged == 0 and "everything holds" in said and "device-attested" in said, said

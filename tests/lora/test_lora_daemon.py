"""A street's sensor from its UART to the log: node and radio board in the real VM, the gateway's whole daemon."""

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from air import Board, frame
from ether import Ether
from wayside.cli import main as wayside
from wayside.daemon.daemon import Daemon
from wayside.evidence.entry import decode_entry
from wayside.evidence.kinds import DEVICE_ATTESTED, GATEWAY_ATTESTED, CommandBody, PackBody
from wayside.evidence.note import ED25519, NoteKey
from wayside.evidence.stream import device_of
from wayside.lab.plant.cable import raw_pty
from wayside.log import LogReader
from wayside.runtime.clock import SystemClock
from wayside.settings.secret_role import Role
from wayside.site import config, secret_files
from wayside.south.ble.about import Bluetooth
from wayside.south.ble.scanner import Advert, uuid16
from wayside.south.lora.about import Lora
from wayside.trust.keys import load
from wayside_wire import bthome

KEY = bytes(range(16))
SPEED = 10

SITE = """
[site]
name = "street.example"
[[radio]]
name = "mast"
port = "{port}"
network = 4711
[[radio.sensor]]
name = "air-node"
device = "air-1"
number = 12
key_file = "air-1.key"
public_key = "{public}"
channels = [{{name = "pm2.5", unit = "ug/m3", exponent = -1}}, {{name = "pm10", unit = "ug/m3", exponent = -1}}]
[[ble]]
adapter = "hci9"
[[ble.sensor]]
device = "room-1"
address = "54:48:E6:8F:80:A5"
key_file = "air-1.key"
"""


def attested(folder: Path) -> dict[str | None, str]:
    """Who attests each device's packs."""
    log = LogReader(folder / "state" / "log")
    entries = [decode_entry(record.entry) for record in log.records(0, log.size)]
    log.close()
    return {device_of(each.stream): each.body.attested for each in entries if isinstance(each.body, PackBody)}


def commands(folder: Path) -> list[tuple[str, str, str, str]]:
    """Target, origin, what and outcome of the log's commands."""
    log = LogReader(folder / "state" / "log")
    bodies = [decode_entry(record.entry).body for record in log.records(0, log.size)]
    log.close()
    return [(each.target, each.origin, each.what, each.outcome) for each in bodies if isinstance(each, CommandBody)]


def _run(*words: object) -> str:
    whole = [sys.executable, "-m", "wayside", *map(str, words)]
    done = subprocess.run(whole, capture_output=True, text=True, timeout=120)
    # 3: there is no Bluetooth adapter hci9 here, and the status says so.
    assert done.returncode in (0, 3), done.stderr
    return done.stdout


def test_from_a_uart_to_evidence(micropython: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def scenario() -> None:
        ether = Ether(SPEED)
        port = await ether.open()
        chip = {"host": "127.0.0.1", "port": port, "speed": SPEED}
        air = {"radio": {"region": "EU868", "sf": 7, "freq_khz": 869525}, "chip": chip}
        with raw_pty() as (sensor_end, sensor_path), raw_pty() as (board_end, board_path), raw_pty() as (end, path):
            node = air | {
                "role": "sensor", "state": str(tmp_path / "node"), "network": 4711, "node": 12, "device": "air-1",
                "key": KEY.hex(), "report_ms": 1000, "sign_every": 2, "listen_ms": 900,
                "sensors": [{"kind": "sds011", "port": sensor_path, "warm_up_ms": 1000}],
            }  # fmt: skip
            radio = air | {"role": "radio", "state": str(tmp_path / "radio"), "link": {"port": board_path}}
            for name, settings in (("node", node), ("radio", radio)):
                (tmp_path / f"{name}.json").write_text(json.dumps(settings))
            boards = [Board(micropython, tmp_path / f"{name}.json") for name in ("node", "radio")]
            public = (await boards[0].public_key()).hex()
            secret_files.write(tmp_path / "site.toml", Role.RADIO, "air-1.key", f"{KEY.hex()}\n".encode())
            site = tmp_path / "site.toml"
            site.write_text(SITE.format(port=path, public=public))
            loop = asyncio.get_running_loop()
            # Two ptys make a cable: each one's own end is the other's far end.
            loop.add_reader(board_end, lambda: os.write(end, os.read(board_end, 4096)))
            loop.add_reader(end, lambda: os.write(board_end, os.read(end, 4096)))

            async def breathe() -> None:
                while True:
                    os.write(sensor_end, frame(123, 245))
                    await asyncio.sleep(0.2)

            daemon = Daemon(config.load(site), site, SystemClock())
            tasks = [asyncio.create_task(breathe()), asyncio.create_task(daemon.run())]
            try:
                for board in boards:
                    await board.start()
                data = bthome.seal([(2, 2150)], KEY, bytes.fromhex("5448e68f80a5"), 1)
                [adapter] = daemon.parts.of(Bluetooth)
                adapter.receiver.take(Advert("54:48:E6:8F:80:A5", -60, {uuid16(0xFCD2): data}))
                [mast] = daemon.parts.of(Lora)
                async with asyncio.timeout(60):
                    while mast.receiver.counters["packs"] < 3:
                        await asyncio.sleep(0.05)
                radio = mast.link.radio
                assert radio and radio.board == "UNIX"
                (tmp_path / "air.json").write_text(
                    '{"sign_every": 5, "report_s": 1, "trial": 99, "channels": ["pm10"]}'
                )
                words = ("node", "config", site, "air-node")
                told = await asyncio.to_thread(_run, *words, "--set", tmp_path / "air.json")
                assert "version 1 waits for the next frame" in told, told
                async with asyncio.timeout(60):
                    while "configuration: version 1;" not in (told := await asyncio.to_thread(_run, "status", site)):
                        await asyncio.sleep(0.2)
                assert "radio  mast: UNIX, " in told and "ble    hci9: " in told, told
                shown = json.loads(await asyncio.to_thread(_run, *words))
                assert shown == {"report_s": 1, "sign_every": 5, "trial": 99, "channels": ["pm10"]}
                # The node is cut off between a report and its signature.
                async with asyncio.timeout(60):
                    while not mast.nodes[0].status()["waiting"]:
                        await asyncio.sleep(0.02)
                    await boards[0].kill()
                    await boards[0].start()
                    while not mast.receiver.counters["reports never signed"]:
                        await asyncio.sleep(0.05)
                snapshot = daemon.image.snapshot
                assert snapshot["air-1"]["pm10"].mantissa == 245 and snapshot["room-1"]["temperature"].mantissa == 2150
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                loop.remove_reader(board_end)
                loop.remove_reader(end)
                for board in boards:
                    await board.kill()
                ether.close()

    asyncio.run(scenario())
    assert attested(tmp_path) == {"air-1": DEVICE_ATTESTED, "room-1": GATEWAY_ATTESTED}
    evidence = tmp_path / "street.wayside"
    assert wayside(["export", str(tmp_path / "site.toml"), str(evidence)]) == 0
    key = str(NoteKey("street.example/log/0", ED25519, load(tmp_path / "state" / "log.key").public))
    capsys.readouterr()
    judged = wayside(["verify", str(evidence), "--key", key])
    said = capsys.readouterr().out
    assert judged == 0 and "everything holds" in said and "device-attested" in said, said
    assert "reports that the device never signed" in said, said
    (target, origin, what, ordered), (_, told_by, _, outcome) = commands(tmp_path)
    assert (target, what, told_by) == ("air-node", "config use", "node")
    assert re.fullmatch(r"user .+ of this machine", origin)
    assert "version 1 waits" in ordered and "version 1 is in force" in outcome
    assert ordered.split()[-1] == outcome.split()[-1]  # the hash

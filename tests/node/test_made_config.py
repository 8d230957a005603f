"""`wayside node config --make`: what it writes is what the node's own loader takes, under CPython and in the VM."""

import json
import os
import subprocess
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from wayside import cli
from wayside.cli import node_config
from wayside.trust.keys import load
from wayside_node.config import ConfigError, check, need
from wayside_node.judge import judged

ROOT = Path(__file__).parents[2]
SITE = """
[site]
name = "test.example"
[[node]]
name = "node-1"
port = "/dev/ttyAMA0"
baud = 230400
devices = ["meter-1", "meter-2", "air-1"]
[[node]]
name = "node-2"
port = "mqtts://broker.example"
devices = ["meter-3"]
"""
METER = "device=meter-1,profile=eastron-sdm630,unit=1"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(SITE)
    return path


def make(site: Path, *words: str, node: str = "node-1") -> int:
    return cli.main(["node", "config", str(site), node, "--make", str(site.with_name("node.json")), *words])


def load_in_vm(micropython: Path, path: Path) -> str:
    """What the loader of the node's roles says of the file, in the VM."""
    code = f"from wayside_node.roles import load\nprint(load({str(path)!r}).node)"
    places = f".frozen:{ROOT / 'firmware'}:{ROOT / 'boards' / 'UNIX'}"
    done = subprocess.run(
        [micropython, "-c", code], env=os.environ | {"MICROPYPATH": places}, capture_output=True, text=True, cwd="/"
    )
    return (done.stdout + done.stderr).strip()


def test_a_meter_needs_a_device_a_profile_and_a_unit(site: Path, micropython: Path, capsys: pytest.CaptureFixture[str]):
    assert make(site, "--meter", METER) == 0
    assert "wayside flash BOARD --config" in capsys.readouterr().out
    path = site.with_name("node.json")
    made = check(json.loads(path.read_text()))
    (bus,) = made.buses
    assert (made.node, made.state, tuple(made.link)) == ("node-1", "/state", ("link", 230_400))
    (meter,) = bus.meters
    assert (bus.port, bus.baud, bus.parity, meter.device, meter.unit) == ("rs485", 9600, "N", "meter-1", 1)
    assert "pause_ms" not in path.read_text(), "older firmware knows no such key"
    assert made.gateway == load(site.parent / "state" / "identity.key").public
    assert load_in_vm(micropython, path) == "node-1"
    assert make(site, "--meter", METER) == 1
    assert "is there already" in capsys.readouterr().err


def test_meters_sensors_and_every_other_key(site: Path, micropython: Path):
    second = "device=meter-2,profile=abb-b23,unit=2,baud=19200,parity=E,port=/dev/bus,pause_ms=9"
    second += ",poll_ms=500,report_ms=900"
    words = ["--meter", METER + ",channels=voltage_l1+energy_active_import", "--meter", second]
    words += ["--sensors", "device=air-1,report_ms=30000", "--sensor", "kind=scd41,port=i2c"]
    words += ["--sensor", "kind=digital,port=contact1,name=door,least_ms=20"]
    for key in ("state=/tmp/s", "journal_bytes=131072", "trial_ms=60000", "link.port=/dev/link", "link.baud=9600"):
        words += ["--key", key]
    assert make(site, *words) == 0
    path = site.with_name("node.json")
    made = check(json.loads(path.read_text()))
    first, other = made.buses
    assert [field.channel for field in first.meters[0].profile.fields] == ["voltage_l1", "energy_active_import"]
    assert (other.baud, other.parity, other.meters[0].poll_ms, other.meters[0].report_ms) == (19_200, "E", 500, 900)
    assert (first.pause_ms, other.pause_ms) == (0, 9)
    sensors = [("scd41", {"port": "i2c"}), ("digital", {"port": "contact1", "name": "door", "least_ms": 20})]
    assert (made.sensors.device, made.sensors.report_ms, made.sensors.rows) == ("air-1", 30_000, sensors)
    assert (made.state, made.journal_bytes, made.trial_ms) == ("/tmp/s", 131_072, 60_000)
    assert tuple(made.link) == ("/dev/link", 9600)
    assert load_in_vm(micropython, path) == "node-1"


def test_a_node_on_a_broker(site: Path):
    words = ["--meter", METER.replace("meter-1", "meter-3"), "--key", "link.ca=/ca.der", "--key", "link.username=n"]
    assert make(site, *words, node="node-2") == 0
    link = check(json.loads(site.with_name("node.json").read_text())).link
    assert (link.host, link.port, link.tls, link.username) == ("broker.example", 8883, True, "n")
    assert link.topic == "wayside/test.example/nodes/node-2"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "nothing is wired to this node; write --meter device="),
        (["--meter", "meter-1"], "--meter meter-1: write KEY=VALUE"),
        (["--meter", "device=meter-1,unit=1"], "profile: is missing; add it"),
        (["--meter", METER + ",unit=2"], "unit is there twice"),
        (["--meter", METER + ",bauds=9600"], 'unknown key "bauds"; did you mean "baud"?'),
        (["--meter", METER.replace("unit=1", "unit=0")], "unit: 0: input should be greater than or equal to 1"),
        (["--meter", METER.replace("unit=1", "unit=one")], "unit: 'one' must be a whole number"),
        (["--meter", METER + ",parity=X"], "parity: 'X': input should be 'N', 'E' or 'O'"),
        (["--meter", METER + ",report_ms=100"], "report_ms is shorter than poll_ms"),
        (["--meter", METER.replace("sdm630", "sdm603")], 'did you mean "eastron-sdm630"?'),
        (["--meter", METER.replace("eastron-sdm630", "sunspec")], "a node cannot"),
        (["--meter", METER + ",channels=volts_l1"], 'unknown channel "volts_l1"'),
        (["--meter", METER.replace("meter-1", "meter-9")], 'unknown device "meter-9"; did you mean "meter-'),
        (["--meter", METER.replace("meter-1", "7")], 'unknown device "7"'),
        (["--meter", METER, "--meter", METER], "the same device twice: meter-1"),
        (["--meter", METER, "--meter", METER.replace("meter-1", "meter-2")], "the same port and unit twice"),
        (["--sensor", "kind=scd41"], "--sensors device=NAME"),
        (["--sensor", "port=i2c", "--sensors", "device=air-1"], "kind is missing"),
        (["--meter", METER, "--key", "watchdog=1"], 'unknown key "watchdog"; did you mean "watchdog_ms"?'),
        (["--meter", METER, "--key", "watchdog_ms=abc"], "watchdog_ms: 'abc' must be a whole number"),
        (["--meter", METER, "--key", "link.baud=9600x"], "baud: '9600x' must be a whole number"),
        (["--meter", METER, "--key", "link.baud=0"], "baud: 0: input should be greater than or equal to 1200"),
        (["--meter", METER, "--key", "journal_bytes=5"], "greater than or equal to 16384"),
        (["--meter", METER, "--key", "trial_ms=-1"], "greater than or equal to 1000"),
        (["--meter", METER, "--key", "holdover_ms=10m"], "holdover_ms: '10m' must be a whole number"),
        (["--meter", METER, "--key", "link.username=n"], 'unknown key "link.username"'),
        (["--sensors", "device=air-1", "--sensor", "kind=scd42"], 'unknown kind "scd42"; did you mean "scd41"?'),
        (["--meter", METER, "--set", "x"], "one after the other"),
    ],
)
def test_what_is_wrong_is_named(site: Path, words: list[str], text: str, capsys: pytest.CaptureFixture[str]):
    assert make(site, *words) == 2
    assert text in capsys.readouterr().err
    assert not site.with_name("node.json").exists()


def test_a_text_of_digits_stays_a_text_and_tls_needs_an_authority(site: Path, capsys: pytest.CaptureFixture[str]):
    words = ["--meter", METER.replace("meter-1", "meter-3"), "--key", "link.password=12345"]
    assert make(site, *words, node="node-2") == 2
    assert "link.ca=FILE is missing" in capsys.readouterr().err
    assert make(site, *words, "--key", "link.ca=/ca.der", node="node-2") == 0
    assert check(json.loads(site.with_name("node.json").read_text())).link.password == "12345"


def test_a_ratio_warns_nobody(site: Path, recwarn: pytest.WarningsRecorder):
    assert make(site, "--meter", METER.replace("eastron-sdm630", "chint-dtsu666-ct") + ",ct_ratio=5") == 0
    assert not list(recwarn)


@pytest.mark.parametrize("key", ["journal_bytes", "holdover_ms", "watchdog_ms", "trial_ms", "link.baud"])
def test_the_limits_are_those_of_the_node(site: Path, key: str):
    assert make(site, "--meter", METER) == 0
    path = site.with_name("node.json")
    good = json.loads(path.read_text())
    path.unlink()
    table, name = (node_config._Line, "baud") if key == "link.baud" else (node_config._Keys, key)
    at_least, at_most = table.model_fields[name].metadata
    low, high = at_least.ge, at_most.le
    for value, fits in ((low - 1, False), (low, True), (high, True), (high + 1, False)):
        data = json.loads(json.dumps(good))
        (data["link"] if key == "link.baud" else data)[name] = value
        with nullcontext() if fits else pytest.raises(ConfigError, match=name):
            check(data)
        # As long as the node takes it: whether a board has room for it is another question.
        assert make(site, "--meter", METER, "--key", f"{key}={value}", "--board", "UNIX") == (0 if fits else 2)
        path.unlink(missing_ok=True)


def judged_for(board: str) -> Callable[[Any], Any]:
    return judged(SimpleNamespace(NAME=board), None)


def many(count: int) -> list[str]:
    return [word for unit in range(1, count + 1)
            for word in ("--meter", f"device=m-{unit},profile=eastron-sdm630,unit={unit}")]  # fmt: skip


def test_a_board_without_room_is_named_with_what_fits(site: Path, capsys: pytest.CaptureFixture[str]):
    devices = ", ".join(f'"m-{unit}"' for unit in range(1, 91))
    site.write_text(SITE.replace('"meter-1", "meter-2", "air-1"', devices))
    path = site.with_name("node.json")
    assert make(site, *many(4), "--board", "RP2040_METER") == 0
    assert "It has room on RP2040_METER. " in capsys.readouterr().out
    assert judged_for("RP2040_METER")(json.loads(path.read_text()))
    assert cli.main(["node", "config", str(site), "node-1", "--check", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: has room on ESP32S3_SENSOR, RP2040_METER, RP2040_RADIO\n"
    assert cli.main(["node", "config", str(site), "node-1", "--check", str(path), "--board", "ESP32_METER"]) == 2
    assert "ESP32_METER has 172032: 2 such meters fit" in capsys.readouterr().err
    path.unlink()
    assert make(site, *many(5), "--board", "RP2040_METER") == 2
    told = capsys.readouterr().err
    assert "5 meters with 80 channels in all want" in told and told.endswith("4 such meters fit\n")
    assert make(site, *many(90)) == 2 and not path.exists()
    assert "28 such meters fit" in capsys.readouterr().err
    assert make(site, *many(90), "--board", "UNIX") == 0
    with pytest.raises(ConfigError, match="4 such meters fit"):
        judged_for("RP2040_METER")(json.loads(path.read_text()))
    assert judged_for("UNIX")(json.loads(path.read_text()))


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--meter", METER, "--key", "journal_bytes=1048576"], "1 devices with 1048576 each want"),
        (["--meter", METER, "--board", "RP2040_METRE"], 'unknown board "RP2040_METRE"; did you mean "RP2040_METER"?'),
        (["--board", "RP2040_METER"], "nothing is wired to this node"),
    ],
)
def test_flash_and_boards_that_are_not_there(
    site: Path, words: list[str], text: str, capsys: pytest.CaptureFixture[str]
):
    board = [] if "--board" in words else ["--board", "RP2040_METER"]
    assert make(site, *words, *board) == 2
    assert text in capsys.readouterr().err


@pytest.mark.parametrize("text", ["[]", "{}", '{"meters": 5}', '{"role": "beacon"}', '{"link": 1, "meters": [{}]}'])
def test_only_a_configuration_has_room(site: Path, text: str, capsys: pytest.CaptureFixture[str]):
    path = site.with_name("other.json")
    path.write_text(text)
    assert cli.main(["node", "config", str(site), "node-1", "--check", str(path)]) == 2
    assert "this is no configuration of a node with packs" in capsys.readouterr().err


def test_gateway_and_node_count_alike(site: Path):
    site.write_text(SITE.replace('"meter-1", "meter-2", "air-1"', '"m-1", "m-2", "air-1"'))
    words = [*many(2), "--sensors", "device=air-1", "--sensor", "kind=scd41,port=i2c"]
    assert make(site, *words, "--key", "journal_bytes=20000") == 0
    data = json.loads(site.with_name("node.json").read_text())
    row = data["meters"][0]["profile"]["channels"][0]
    term = ["", "", *row[2:]]
    row[4:6] = [0, 2]
    row.append([1, 0, [], [[*term[:4], 0, 2, *term[6:15]]]])
    assert need(check(data)) == node_config.need(data) == (2, 32, 1, 1, 3, 20000, False)


def test_the_sensors_are_those_of_the_node():
    folder = ROOT / "firmware" / "wayside_node" / "sensors"
    drivers = [path.stem for path in folder.glob("*.py") if "\ndef open_driver(" in path.read_text()]
    assert sorted(drivers) == sorted(node_config._SENSORS)


def test_a_node_that_the_site_does_not_know(site: Path, capsys: pytest.CaptureFixture[str]):
    assert make(site, "--meter", METER, node="node-3") == 2
    assert 'unknown node "node-3"; did you mean' in capsys.readouterr().err
    assert cli.main(["node", "config", str(site), "node-1", "--meter", METER]) == 2
    assert "go with --make FILE" in capsys.readouterr().err

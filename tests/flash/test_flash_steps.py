"""wayside flash: what may be written where, what a board proves, and what is said when something is wrong."""

import asyncio
import json
import socket
import struct
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from wayside import cli, profiles
from wayside.cli.flash import BOARDS
from wayside.evidence.kinds import NODE
from wayside.flash import picotool
from wayside.flash.console import ESPRESSIF_AND_BRIDGES, RASPBERRY_PI, ConsoleError, RawRepl, find_ports
from wayside.flash.image import ImageError
from wayside.flash.uf2 import RP2040_FAMILY
from wayside.flash.volume import check_image, find_volumes, write_image
from wayside.lab.plant import Sdm630, answer_for, serve_pty
from wayside.log import LogReader
from wayside.profiles.node import for_node
from wayside.settings.secret_role import Role
from wayside.site import secret_files
from wayside.trust.registry import read_keyring

ROOT = Path(__file__).parents[2]
SITE = """
[site]
name = "test.example"
[[node]]
name = "node-1"
port = "/dev/null"
devices = ["meter-1"]
"""


def uf2(content: bytes, family: int = RP2040_FAMILY) -> bytes:
    pieces = [content[start : start + 256].ljust(256, b"\0") for start in range(0, len(content), 256)]
    blocks = []
    for number, piece in enumerate(pieces):
        place = (0x10000000 + 256 * number, 256, number, len(pieces), family)
        blocks.append(struct.pack("<IIIIIIII476sI", 0x0A324655, 0x9E5D5157, 0x2000, *place, piece, 0x0AB16F30))
    return b"".join(blocks)


IMAGE = uf2(bytes(1000) + b"Wayside RP2040_METER with RP2040\0" + bytes(500))


def test_an_image_is_for_one_board():
    content = check_image(IMAGE, "RP2040_METER")
    assert b"Wayside RP2040_METER" in content and len(content) % 256 == 0
    for image, board, text in (
        (IMAGE, "RP2040_RADIO", "image of RP2040_METER, not of RP2040_RADIO"),
        (uf2(bytes(300)), "RP2040_METER", "no image of Wayside"),
        (IMAGE[:-512], "RP2040_METER", "cut or damaged"),
        (uf2(bytes(300), 0xE48BFF59), "RP2040_METER", "wrong board"),
        (b"", "RP2040_METER", "blocks of 512"),
    ):
        with pytest.raises(ImageError, match=text):
            check_image(image, board)


def test_only_a_waiting_rp2040_is_written(tmp_path: Path):
    progress: list[tuple[int, int]] = []
    with pytest.raises(ImageError, match="hold BOOTSEL"):
        write_image(IMAGE, tmp_path, lambda *place: progress.append(place))
    (tmp_path / "INFO_UF2.TXT").write_text("UF2 Bootloader\nBoard-ID: SAMD21\n")
    with pytest.raises(ImageError, match="SAMD21"):
        write_image(IMAGE, tmp_path, lambda *place: progress.append(place))
    (tmp_path / "INFO_UF2.TXT").write_text("UF2 Bootloader v3.0\nModel: Raspberry Pi RP2\nBoard-ID: RPI-RP2\n")
    write_image(IMAGE, tmp_path, lambda *place: progress.append(place))
    assert (tmp_path / "image.uf2").read_bytes() == IMAGE
    assert progress[-1] == (len(IMAGE), len(IMAGE))


def test_volumes_are_found_by_what_is_on_them(tmp_path: Path):
    volume = tmp_path / "RPI RP2"
    volume.mkdir()
    (volume / "INFO_UF2.TXT").touch()
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 {str(volume).replace(' ', chr(92) + '040')} vfat rw 0 0\n")
    assert find_volumes(mounts) == [volume]


def usb_port(root: Path, name: str, vendor: str) -> Path:
    """What Linux shows of a USB serial port, and its name in /dev/serial/by-id."""
    device = root / "sys/devices" / name
    interface = device / "1.0" / name if name.startswith("ttyUSB") else device / "1.0"
    interface.mkdir(parents=True)
    (device / "idVendor").write_text(vendor + "\n")
    (root / "sys/class/tty" / name).mkdir(parents=True)
    (root / "sys/class/tty" / name / "device").symlink_to(interface)
    (root / "dev/serial/by-id").mkdir(parents=True, exist_ok=True)
    (root / "dev" / name).touch()
    link = root / "dev/serial/by-id" / f"usb-{name}"
    link.symlink_to(root / "dev" / name)
    return link


def test_ports_are_known_by_who_made_them(tmp_path: Path):
    pico = usb_port(tmp_path, "ttyACM0", "2e8a")
    bridge = usb_port(tmp_path, "ttyUSB0", "10C4")
    usb_port(tmp_path, "ttyUSB1", "0403")
    assert find_ports(RASPBERRY_PI, tmp_path) == [str(pico)]
    assert find_ports(ESPRESSIF_AND_BRIDGES, tmp_path) == [str(bridge)]
    assert find_ports(RASPBERRY_PI, tmp_path / "nothing") == []


def test_a_port_of_the_gateway_is_no_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    bus, board = usb_port(tmp_path, "ttyUSB0", "1a86"), usb_port(tmp_path, "ttyUSB1", "1a86")
    site = tmp_path / "site.toml"
    device = '[[bus.device]]\nname = "m"\nunit = 1\nprofile = "eastron-sdm630"\n'
    bus_table = f'[[bus]]\nname = "b"\nendpoint = "rtu://{tmp_path}/dev/ttyUSB0"\n'
    site.write_text(f'[site]\nname = "test.example"\n{bus_table}{device}')
    asked: list[str] = []

    def open_line(path: str, patience_s: float) -> RawRepl:
        asked.append(path)
        raise ConsoleError("enough for this test")

    monkeypatch.setattr("wayside.cli.flash.find_ports", lambda vendors: [str(bus), str(board)])
    monkeypatch.setattr("wayside.cli.flash.open_board", open_line)
    assert cli.main(["flash", "ESP32_METER", "--no-image", "--site", str(site)]) == 1
    assert asked == [str(board)]


def test_a_cut_while_it_is_written_says_how_to_go_on(tmp_path: Path):
    (tmp_path / "INFO_UF2.TXT").write_text("Board-ID: RPI-RP2")
    (tmp_path / "image.uf2").symlink_to("/dev/full")
    with pytest.raises(ImageError, match=r"after 0 of .* bytes: .*boot ROM cannot be damaged"):
        write_image(IMAGE, tmp_path, lambda *_: None)


def recording_picotool(folder: Path, monkeypatch: pytest.MonkeyPatch, status: int = 0) -> Path:
    """A script in its place, for the command line alone: picotool itself is not run here. Returns what it was asked."""
    asked = folder / "asked"
    script = folder / "bin" / "picotool"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\necho "$@" >>{asked}\necho no board >&2\nexit {status}\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:/usr/bin:/bin")
    return asked


def test_picotool_is_asked_where_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not picotool.sees_board()
    asked = recording_picotool(tmp_path, monkeypatch)
    assert picotool.sees_board()
    picotool.write_image(tmp_path / "image.uf2")
    assert asked.read_text().splitlines() == ["info", f"load --verify --execute {tmp_path}/image.uf2"]
    (tmp_path / "bin" / "picotool").unlink()
    (tmp_path / "bin").rmdir()
    recording_picotool(tmp_path, monkeypatch, 249)
    assert not picotool.sees_board()
    with pytest.raises(ImageError, match="picotool: no board; hold BOOTSEL"):
        picotool.write_image(tmp_path / "image.uf2")


class Prompt:
    """The line of a board whose raw REPL answers `name` to what it is asked, and which can be sent to its boot ROM."""

    def __init__(self, name: bytes, sent_to_boot_rom: Callable[[], None]):
        self.heard = b""
        self._name = name
        self._sent = sent_to_boot_rom

    def write(self, data: bytes) -> None:
        self.heard += data
        if data.endswith(b"machine.bootloader()\x04"):
            self._sent()

    def read(self, patience_s: float) -> bytes:
        if self.heard.endswith(b"\x03"):
            return b"\r\n>>> "
        return b"raw REPL; CTRL-B to exit\r\n>" if self.heard.endswith(b"\x01") else b"OK" + self._name + b"\x04\x04>"


@pytest.mark.parametrize(("name", "said"), [(b"RP2040_METER", ""), (b"", ""), (b"RP2040_SIGNAL", "is a RP2040_SIGNAL")])
def test_a_board_that_runs_is_sent_to_its_boot_rom(
    name: bytes, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    file, place, port = tmp_path / "image.uf2", tmp_path / "RPI-RP2", tmp_path / "port"
    file.write_bytes(IMAGE)
    port.touch()

    def wait_for_an_image() -> None:
        place.mkdir()
        (place / "INFO_UF2.TXT").write_text("Board-ID: RPI-RP2")

    def open_line(path: str, patience_s: float) -> RawRepl:
        if place.exists():
            raise ConsoleError("enough for this test")
        repl = RawRepl(Prompt(name, wait_for_an_image))
        repl.enter()
        return repl

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("wayside.cli.flash.open_board", open_line)
    assert cli.main(["flash", "RP2040_METER", str(port), "--image", str(file), "--volume", str(place)]) == 1
    assert (said or "enough") in capsys.readouterr().err
    if not said:
        assert (place / "image.uf2").read_bytes() == IMAGE


def test_every_board_is_known():
    folders = {each.parent.name for each in (ROOT / "boards").glob("*/wiring.md")}
    assert set(BOARDS) == folders | {"UNIX"}


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (["RP2040_METRE"], 1, 'unknown board "RP2040_METRE"; did you mean "RP2040_METER"?'),
        (["RP2040_METER", "--image", "{}/none.uf2"], 2, "none.uf2: No such file or directory"),
        (["RP2040_METER", "--config", "{}/none.json"], 2, "none.json: No such file or directory"),
        (["RP2040_METER", "--config", "{}"], 2, "Is a directory"),
        (["RP2040_METER", "--out", "{}/none"], 1, "--out {}/none: is no folder"),
        (["RP2040_METER", "/dev/no-such", "--no-image"], 1, "/dev/no-such: there is no such port; USB serial ports: "),
        (["ESP32_METER", "/dev/no-such"], 1, "/dev/no-such: there is no such port"),
        (["UNIX", "{}/none"], 1, "name the folder of its node.json"),
        (["UNIX"], 1, "name the folder of its node.json"),
    ],
)
def test_what_is_wrong_is_told_at_once_and_in_words(
    words: list[str],
    status: int,
    text: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it waits"))
    assert cli.main(["flash", *(word.format(tmp_path) for word in words)]) == status
    said = capsys.readouterr().err
    assert text.format(tmp_path) in said and "Errno" not in said


def test_what_a_board_has_no_room_for_is_told_before_it_is_touched(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "node.json"
    meter = {"profile": {"channels": [["v"]] * 16}}
    path.write_text(json.dumps({"link": {"port": "link"}, "meters": [meter] * 5}))
    assert cli.main(["flash", "RP2040_METER", "--config", str(path), "--out", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"wayside flash: {path}: 5 meters") and said.endswith("4 such meters fit\n")


def test_an_image_that_nobody_has_made_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("wayside.cli.flash._CHECKOUT", tmp_path)
    for board, ending in (("RP2040_METER", "uf2"), ("ESP32_METER", "bin")):
        assert cli.main(["flash", board]) == 1
        assert f"dist/{board}.{ending} is not there; make it with `make images`" in capsys.readouterr().err


def configuration(folder: Path, bus: str, **changes: object) -> Path:
    meter = {"device": "meter-1", "port": bus, "baud": 115_200, "unit": 1}
    meter["profile"] = for_node(profiles.load("eastron-sdm630"), ("voltage_l1",))
    config = {
        "node": "node-1",
        "state": str(folder / "state-of-node"),
        "gateway": "11" * 32,
        "link": {"port": "/dev/null"},
        "meters": [meter],
    }
    path = folder / "wanted.json"
    path.write_text(json.dumps(config | changes))
    return path


def flash(micropython: Path, folder: Path, *more: str | Path) -> int:
    words = ["flash", "UNIX", folder, "--image", micropython, "--out", folder, *more]
    return cli.main([str(word) for word in words])


def test_from_an_empty_folder_to_an_enrolled_node(
    micropython: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    site = tmp_path / "site.toml"
    site.write_text(SITE)

    async def scenario() -> None:
        async with serve_pty(answer_for({1: Sdm630(1)}), 115_200) as bus:
            config = configuration(tmp_path, bus)
            for _ in range(2):  # each step may be repeated
                status = await asyncio.to_thread(flash, micropython, tmp_path, "--config", config, "--site", site)
                said = capsys.readouterr()
                assert status == 0, said.out + said.err
            assert "good           signature" in said.out and "as it was already" in said.out

    asyncio.run(scenario())
    log = LogReader(tmp_path / "state" / "log")
    (node,) = [each for each in read_keyring(log) if each.role == NODE]
    log.close()
    assert node.holder == "node-1" and node.proof and node.devices == frozenset(["meter-1"])
    kept = json.loads((tmp_path / "node.json").read_text())
    assert len(bytes.fromhex(kept["gateway"])) == 32
    drawing = ET.parse(tmp_path / "node-1.svg").getroot()
    texts = [each.text for each in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0] == "node-1" and f"key {node.kid.hex()}" in texts
    assert (tmp_path / "node-1.selftest").stat().st_size > 100


def test_the_state_of_a_virtual_board_lies_in_its_folder(
    micropython: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """The configuration that is made for any board names the root of its own file system."""
    flash(micropython, tmp_path, "--config", configuration(tmp_path, "/dev/zero", state="/state"))
    assert json.loads((tmp_path / "node.json").read_text())["state"] == str(tmp_path / "state")
    assert (tmp_path / "state").is_dir()


def test_a_silent_meter_and_a_wrong_configuration_are_named(
    micropython: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert flash(micropython, tmp_path, "--config", configuration(tmp_path, "/dev/null", node="")) == 1
    assert "the board refuses the configuration" in capsys.readouterr().err
    assert not (tmp_path / "node.json").exists()

    async def scenario() -> None:
        async with serve_pty(lambda body: None, 115_200) as bus:
            status = await asyncio.to_thread(flash, micropython, tmp_path, "--config", configuration(tmp_path, bus))
            said = capsys.readouterr()
            assert status == 1
            assert "meter-1: 0 of 1 good: timeout" in said.out and f"its ports with {tmp_path}/node.json" in said.err
            assert not (tmp_path / "node-1.svg").exists(), "no label for what is not good"

    asyncio.run(scenario())
    (tmp_path / "empty").mkdir()
    assert flash(micropython, tmp_path / "empty") == 1
    assert "cannot be read" in capsys.readouterr().err
    assert flash(tmp_path / "no-micropython", tmp_path) == 2
    assert "no-micropython: No such file" in capsys.readouterr().err
    assert flash(configuration(tmp_path, "/dev/null"), tmp_path) == 1
    assert "does not run" in capsys.readouterr().err


AIR_SITE = """
[site]
name = "test.example"
[[radio]]
name = "mast"
port = "/dev/null"
network = 7
[[radio.sensor]]
name = "street-1"
device = "air-1"
number = 12
key_file = "air.key"
channels = [{ name = "pm2_5", unit = "ug/m3", exponent = -1 }]
"""


def test_boards_on_the_air(micropython: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The roles sensor and radio: their radio is asked, and only who signs packs is enrolled."""
    (tmp_path / "site.toml").write_text(AIR_SITE)
    secret_files.write(tmp_path / "site.toml", Role.RADIO, "air.key", b"11" * 16)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ether:
        ether.bind(("127.0.0.1", 0))
        chip = {"host": "127.0.0.1", "port": ether.getsockname()[1]}
        air = {"state": str(tmp_path / "state-of-node"), "radio": {"region": "EU868", "sf": 7}, "chip": chip}
        sensors = [{"kind": "sds011", "port": "/dev/null"}]
        sensor = {"role": "sensor", "network": 7, "node": 12, "device": "air-1", "key": "11" * 16, "sensors": sensors}
        wanted = tmp_path / "wanted.json"
        wanted.write_text(json.dumps(air | sensor))
        words = ("--config", wanted, "--site", tmp_path / "site.toml")
        assert flash(micropython, tmp_path, *words) == 1
        assert "--name NAME" in capsys.readouterr().err
        status = flash(micropython, tmp_path, *words, "--name", "street-1")
        said = capsys.readouterr()
        assert status == 0, said.out + said.err
        assert "good           radio: answers" in said.out
        radio = air | {"role": "radio", "link": {"port": "/dev/null"}}
        wanted.write_text(json.dumps(radio))
        status = flash(micropython, tmp_path, *words, "--name", "mast")
        said = capsys.readouterr()
        assert status == 0 and "not needed: a radio signs no packs" in said.out, said.out + said.err
        wanted.write_text(json.dumps(radio | {"chip": {"host": "192.0.2.1.", "port": 1}}))
        assert flash(micropython, tmp_path, *words, "--name", "mast") == 1
        assert "BAD            radio" in capsys.readouterr().out
    log = LogReader(tmp_path / "state" / "log")
    assert [each.holder for each in read_keyring(log) if each.role == NODE] == ["street-1"]
    log.close()


def test_a_board_that_goes_on_printing_is_told_and_not_waited_for() -> None:
    class Babbler:
        read_bytes = 0

        def write(self, data: bytes) -> None:
            pass

        def read(self, patience_s: float) -> bytes:
            self.read_bytes += 100
            return b"lamp 1\r\n" * 12 + b"lamp"

    line = Babbler()
    with pytest.raises(ConsoleError, match=r"goes on printing; it said .* Press its reset button"):
        RawRepl(line).enter()
    assert line.read_bytes < 400_000

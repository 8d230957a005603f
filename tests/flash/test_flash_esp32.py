"""wayside flash on ESP32 boards: esptool itself against a model of the chip's boot ROM; no silicon, no emulator."""

import hashlib
import importlib.util
import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from flash.esp_rom import ESP32, ESP32S3, Chip, Cut, EspRom, plugged_in
from hypothesis import given
from hypothesis import strategies as st
from wayside import cli
from wayside.flash.esp32 import check_image, read_back, write_image
from wayside.flash.image import ImageError

WRITE = 0x11  # FLASH_DEFL_DATA, in pieces of 16 KiB
_noise = random.Random(5)


def code(chip: int, content: bytes) -> bytes:
    """An application as the boot loader takes it: header, segments, checksum, hash."""
    made = struct.pack("<BBBBIBBBBHBHHIB", 0xE9, 2, 2, 0x20, 0x40080000, 0, 0, 0, 0, chip, 0, 0, 0xFFFF, 0, 1)
    for part in (content[:32], content[32:]):
        made += struct.pack("<II", 0x3F400020, len(part)) + part
    made = made.ljust(len(made) // 16 * 16 + 15, b"\0") + b"\xef"
    return made + hashlib.sha256(made).digest()


def table(*rows: tuple[int, int, int, int]) -> bytes:
    made = b"".join(struct.pack("<2sBBII16sI", b"\xaa\x50", *row, b"", 0) for row in rows)
    return (made + b"\xeb\xeb".ljust(16, b"\xff") + hashlib.md5(made).digest()).ljust(0xC00, b"\xff")


SLOTS = table(
    (1, 2, 0x9000, 0x4000), (1, 0, 0xD000, 0x2000), (0, 0x10, 0x10000, 0x180000), (0, 0x11, 0x190000, 0x180000)
)
APP = _noise.randbytes(40_000) + b"Wayside ESP32_METER with ESP32\0" + bytes(20_000) + _noise.randbytes(30_001)


def whole(chip: int = 0, app: bytes = APP, slots: bytes = SLOTS) -> bytes:
    """What makeimg.py makes, from the boot loader's place on."""
    start = 0 if chip else 0x1000
    image = code(chip, b"boot loader" * 900).ljust(0x8000 - start, b"\xff") + slots
    return image.ljust(0x10000 - start, b"\xff") + code(chip, app)


IMAGE = whole()


def is_on(flash: bytearray) -> bool:
    """The boot loader, the table and the application are there, and the choice of the slot is erased."""
    held = bytearray(flash[0x1000 : 0x1000 + len(IMAGE)])
    return (
        held[:0x2000] == IMAGE[:0x2000]
        and held[0x7000:0x7C00] == SLOTS
        and held[0xF000:] == IMAGE[0xF000:]
        and flash[0xD000:0xF000] == b"\xff" * 0x2000
    )


def never(rom: EspRom, command: int) -> None:
    """The cable stays."""


def used_board(chip: Chip = ESP32, before_command: Callable[[EspRom, int], None] = never) -> EspRom:
    """One that has had other images."""
    return EspRom(chip, bytearray(_noise.randbytes(1 << 22)), before_command)


def test_an_image_is_for_one_board():
    image = check_image(IMAGE, "ESP32_METER")
    assert [place for place, _ in image.pieces] == [0x1000, 0x8000, 0x10000, 0xD000]
    sensor = APP.replace(b"ESP32_METER with ESP32", b"ESP32S3_SENSOR with S3")
    assert check_image(whole(9, sensor), "ESP32S3_SENSOR").chip.name == "esp32s3"
    for wrong, board, text in (
        (IMAGE, "ESP32S3_SENSOR", "image of ESP32_METER, not of ESP32S3_SENSOR"),
        (whole(app=bytes(99)), "ESP32_METER", "no image of Wayside"),
        (whole(13), "ESP32_METER", "wrong board"),
        (b"UF2\n" * 128, "ESP32_METER", "no image of an ESP32"),
        (IMAGE[:-1], "ESP32_METER", "cut or damaged"),
        (IMAGE[:0xF000], "ESP32_METER", "no image of Wayside"),
        (whole(slots=table((0, 0, 0x10000, 0x180000))), "ESP32_METER", "no slots"),
        (whole(slots=SLOTS[:32] + SLOTS[64:]), "ESP32_METER", "partition table is cut or damaged"),
        (whole(slots=table((1, 0, 0xD000, 0x2000), (0, 0x10, 0x10000, 0x10000))), "ESP32_METER", "its slot 65,536"),
    ):
        with pytest.raises(ImageError, match=text):
            check_image(wrong, board)


@given(st.integers(0, len(IMAGE) - 1), st.integers(1, 255), st.booleans())
def test_what_is_damaged_is_refused_or_not_written(place: int, flip: int, cut: bool):
    damaged = bytearray(IMAGE)
    damaged[place] ^= flip
    try:
        image = check_image(bytes(damaged[:place] if cut else damaged), "ESP32_METER")
    except ImageError:
        return
    assert image == check_image(IMAGE, "ESP32_METER")  # it was in a gap


def test_it_is_written_and_read_back(tmp_path: Path):
    rom = used_board()
    before = bytes(rom.flash)
    image = check_image(IMAGE, "ESP32_METER")
    progress: list[tuple[int, int]] = []
    port = tmp_path / "port"
    with plugged_in(rom, port):
        write_image(image, str(port), lambda *place: progress.append(place))
        assert is_on(rom.flash)
        rom.reset()
        read_back(image, str(port))
        rom.flash[0x20000] ^= 1
        rom.reset()
        with pytest.raises(ImageError, match="type the same command again"):
            read_back(image, str(port))
    size = sum(len(content) for _, content in image.pieces)
    assert len(progress) == 4 and progress[-1] == (size, size)
    # Calibration of the radio, the other slot and the files are not touched.
    assert rom.flash[0x9000:0xD000] == before[0x9000:0xD000] and rom.flash[0x190000:] == before[0x190000:]


def test_another_chip_is_left_alone(tmp_path: Path):
    rom = used_board(ESP32S3)
    before = bytes(rom.flash)
    with (
        plugged_in(rom, tmp_path / "port"),
        pytest.raises(ImageError, match="is ESP32-S3; ESP32_METER has ESP32: wrong"),
    ):
        write_image(check_image(IMAGE, "ESP32_METER"), str(tmp_path / "port"), lambda *_: None)
    assert rom.flash == before


@pytest.mark.parametrize("at", ["register", "stub", "application", "hash"])
def test_a_cable_pulled_out_at_any_step_and_again(at: str, tmp_path: Path):
    command, count = {
        "register": (0x0A, 3),
        "stub": (0x07, 1),
        "application": (WRITE, 4),
        "hash": (0x13, 1),
    }[at]

    def pull(rom: EspRom, asked: int) -> None:
        if asked == command and rom.commands.count(command) == count:
            raise Cut

    rom = used_board(before_command=pull)
    image = check_image(IMAGE, "ESP32_METER")
    port = tmp_path / "port"
    with plugged_in(rom, port), pytest.raises(ImageError, match="type the same command again"):
        write_image(image, str(port), lambda *_: None)
    assert rom.commands.count(command) == count
    with plugged_in(rom, port):
        write_image(image, str(port), lambda *_: None)
    assert is_on(rom.flash)


class Mute(EspRom):
    """A board whose application runs, or another device."""

    def __init__(self) -> None:
        super().__init__(ESP32, bytearray(), never)

    def take(self, data: bytes) -> bytes:
        return b"" if b"\xc0" in data else b"?"


def test_nothing_or_something_else_at_the_port(tmp_path: Path):
    image = check_image(IMAGE, "ESP32_METER")
    with pytest.raises(ImageError, match="plugged in, and no other program"):
        write_image(image, str(tmp_path / "nothing"), lambda *_: None)
    with plugged_in(Mute(), tmp_path / "port"), pytest.raises(ImageError, match="hold its button BOOT"):
        write_image(image, str(tmp_path / "port"), lambda *_: None)


def test_without_esptool_it_says_what_to_type(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImageError, match="pip install 'wayside"):
        write_image(check_image(IMAGE, "ESP32_METER"), "/dev/null", lambda *_: None)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "image.bin").write_bytes(IMAGE)
    port = tmp_path / "port"
    rom = used_board(ESP32S3)
    words = ["flash", "ESP32_METER", str(port), "--image", str(tmp_path / "image.bin")]
    with plugged_in(rom, port):
        assert cli.main(words) == 1
    assert "is ESP32-S3; ESP32_METER has ESP32" in capsys.readouterr().err
    assert cli.main(["flash", "ESP32_METER", str(port), "--image", str(tmp_path / "no.bin")]) == 2
    assert cli.main(["flash", "ESP8266", str(port)]) == 1
    assert 'unknown board "ESP8266"; ' in capsys.readouterr().err

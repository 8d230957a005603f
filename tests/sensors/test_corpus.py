"""Malformed input for every decoder of radios and sensors: a refusal or a value, never another exception.

corpus/NAME.hex: one input in hexadecimal on each line, `#` begins a comment; "refused" in it says that the decoder must
not take this one. Whatever fuzzing finds gets a line there.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wayside.south.ble import environment
from wayside_node.sensors import bme280, pms5003, qmc5883l, scd41, sds011
from wayside_node.sensors.stream import Framer
from wayside_wire import WireError, bthome, lora, lora_config, lora_link, lora_report

CORPUS = Path(__file__).parent / "corpus"
PROFILE = lora_report.Profile([lora_report.Channel("t", "Cel", -2), lora_report.Channel("rh", "%RH", -2)])
SESSION = lora.Session(bytes(16), PROFILE.digest)


def _frame(data: bytes) -> object:
    lora.read_header(data)
    return SESSION.open(data)


def _stream(begin: bytes, size: int, check: Callable[[bytes], bool], decode: Callable[[bytes], object]) -> object:
    def take(data: bytes) -> object:
        found = [decode(frame) for frame in Framer(begin, size, check).feed(data)]
        return found or None

    return take


def _bme280(data: bytes) -> object:
    padded = (data + bytes(41))[:41]
    return bme280.decode(bme280.Calibration(padded[:26], padded[26:33]), padded[33:])


def _environment(data: bytes) -> object:
    return [environment.decode(number, data, 0) for number in environment.CHARACTERISTICS]


DECODERS: dict[str, Callable[[bytes], object]] = {
    "lora-frame": _frame,
    "lora-report": lambda data: lora_report.decode_report(PROFILE, data),
    "lora-head": lora_report.decode_head,
    "lora-answer": lora_report.decode_answer,
    "lora-config": lambda data: lora_config.decode_config(PROFILE, data),
    "lora-status": lora_config.decode_status,
    "lora-link": lora_link.decode,
    "bthome": bthome.decode,
    "bthome-sealed": lambda data: bthome.open_sealed(data, bytes(16), bytes(6)),
    "sds011": _stream(b"\xaa\xc0", 10, sds011.check, sds011.decode),  # type: ignore[dict-item]
    "pms5003": _stream(b"\x42\x4d\x00\x1c", 32, pms5003.check, pms5003.decode),  # type: ignore[dict-item]
    "scd41": scd41.decode,
    "bme280": _bme280,
    "qmc5883l": lambda data: qmc5883l.decode((data + bytes(6))[:6]),
    "environment": _environment,
}


def lines(name: str) -> list[tuple[bytes, bool]]:
    found = []
    for line in (CORPUS / f"{name}.hex").read_text().splitlines():
        digits, _, comment = line.partition("#")
        if digits.strip() or comment:
            found.append((bytes.fromhex(digits), "refused" in comment))
    return found


def refuses(decode: Callable[[bytes], object], data: bytes) -> bool:
    """Whether the decoder takes nothing of it."""
    try:
        return decode(data) is None
    except WireError:
        return True


@pytest.mark.parametrize("name", sorted(DECODERS))
def test_corpus(name: str) -> None:
    entries = lines(name)
    assert entries
    for data, must_refuse in entries:
        assert refuses(DECODERS[name], data) or not must_refuse, data.hex()


def test_every_file_has_its_decoder() -> None:
    assert {path.stem for path in CORPUS.glob("*.hex")} == set(DECODERS)


@pytest.mark.parametrize("name", sorted(DECODERS))
@settings(deadline=None, max_examples=150)
@given(data=st.binary(max_size=120), where=st.integers(0, 1 << 30), flip=st.integers(0, 255))
@example(data=b"", where=0, flip=0)
def test_noise_and_changed_input(name: str, data: bytes, where: int, flip: int) -> None:
    refuses(DECODERS[name], data)
    known = [entry for entry, _ in lines(name) if entry]
    if known:
        changed = bytearray(known[where % len(known)])
        changed[where % len(changed)] ^= flip
        refuses(DECODERS[name], bytes(changed))
        refuses(DECODERS[name], bytes(changed[: where % (len(changed) + 1)]))

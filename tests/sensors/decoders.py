"""Every decoder of what radios and sensors send, as one function of bytes, and what is kept for it.

corpus/NAME.hex: one input in hexadecimal on each line, `#` begins a comment; "refused" in it says that the decoder must
not take this one. Whatever breaks a decoder gets a line there.
"""

import sys
from collections.abc import Callable
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / "node" / "cpython"), str(ROOT / "firmware")]

from wayside.south.ble import environment  # noqa: E402
from wayside_node.bench import Bench  # noqa: E402
from wayside_node.clock import NodeClock  # noqa: E402
from wayside_node.manager import Manager  # noqa: E402
from wayside_node.sensors import bme280, pms5003, qmc5883l, scd41, sds011  # noqa: E402
from wayside_node.sensors.stream import Framer  # noqa: E402
from wayside_wire import WireError, bench, bthome, frame, link, lora, lora_config, lora_link, lora_report  # noqa: E402
from wayside_wire.pack import Reading  # noqa: E402

PROFILE = lora_report.AirProfile(
    [lora_report.ReportChannel("t", "Cel", -2), lora_report.ReportChannel("rh", "%RH", -2)]
)
SESSION = lora.LoraSession(bytes(16), PROFILE.digest)


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


def _bench_value(data: bytes) -> object:
    quality, mantissa, exponent, reason = bench.decode_value(data)
    again = bench.encode_value(Reading("t", "Cel", mantissa, exponent, quality, reason, 0))
    assert again == data, "a value has one form"
    return quality


def _bench_writes(data: bytes) -> object:
    """Whatever somebody writes at the bench: nothing that is not signed is done, and answers are frames."""

    def never(*arguments: object) -> None:
        raise AssertionError(f"done without a signature: {arguments}")

    stand = Bench(
        NodeClock(lambda: 0, int.__sub__, never, 0), 1, None, Manager(bytes(8), bytes(32), _refuse, never, {})
    )
    answers = frame.FrameDecoder().feed(stand.take(data) + stand.take(frame.encode(data[: frame.MAX_MESSAGE])))
    return [link.decode(answer) for answer in answers] or None


def _refuse(public: bytes, message: bytes, signature: bytes) -> bool:
    return False


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
    "bench-value": _bench_value,
    "bench-writes": _bench_writes,
}


def corpus_of(name: str) -> list[tuple[bytes, bool]]:
    """(input, whether it must be refused) of a corpus."""
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

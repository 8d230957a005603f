"""Whatever registers and adapters say: a right value or a bad reading with a reason, in the log and in every sink."""

import json
import math
import tempfile
from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from waiting import until
from wayside import profiles
from wayside.evidence.batch import encode_batch
from wayside.evidence.entry import decode_entry
from wayside.evidence.kinds import DeviceBody
from wayside.intake.report import Reporter
from wayside.intake.writable import payloads
from wayside.north.homeassistant import announcement
from wayside.north.json_report import as_json
from wayside.north.report import reports as reports_in
from wayside.parts.picture import draw
from wayside.profiles.node import aggregate_kind
from wayside.profiles.units import UNITS
from wayside.receiver.account import VerifiedPack
from wayside.receiver.view import report_line
from wayside.south.modbus.device import DeviceSettings, PolledDevice
from wayside.values.image import ProcessImage
from wayside.values.reading import Quality, Reading, format_value
from wayside.values.senml_units import SENML_UNITS
from wayside.web.recorder import Recorder
from wayside_wire import bthome, environment, modbus_field
from wayside_wire.modbus_field import RegisterField
from wayside_wire.pack import decode_readings, open_pack

from .test_intake import FakeClock, Site, run

NAMES = sorted(profiles.names() - {profiles.DISCOVERED.name})
LARGEST_FLOAT = bytes.fromhex("7F7FFFFF")  # negative, some inverters say so that there is no value
BEYOND = 2**63  # InfluxDB line protocol and SQLite: integers have 64 bits, signed


def polled(name: str, registers: bytes) -> list[Reading]:
    """A report of two polls of a device with this profile, whose registers hold these bytes over and over."""
    found: list[Reading] = []
    profile = profiles.load(name)
    wanted = "".join(profile.ratios.values())
    profile = profile.for_site(*(Fraction(250, 5) if each in wanted else None for each in ("ct", "vt")))
    reporter = Reporter(aggregate_kind, 2, found.extend)
    device = PolledDevice(DeviceSettings("meter-2", 1, profile, channels=tuple(profile.fields)), 0, 0.0)
    for now in (1.0, 2.0):
        outcome = None
        while outcome is None:
            request = device.next_request(now)
            assert request
            size = 2 * int.from_bytes(request[4:6], "big")
            data = (registers * (size // len(registers) + 1))[:size]
            outcome = device.answered(data, 0.01, now, int(now * 1000))
        reporter.add(outcome[0])
    return found


def through_every_sink(folder: Path, reports: Iterable[Sequence[Reading]]) -> list[Reading]:
    """Report them; what comes out of the log, when the image, the status site and every sink show the same."""
    found: list[Reading] = []

    async def scenario(site: Site) -> None:
        for each in reports:
            site.intake.report("meter-2", each)
        await until(lambda: not site.intake.waiting, "the reports")
        await site.committer.commit([])
        records = site.log.records(0, 10_000)
        proof = site.log.subset_proof([(0, len(records))])
        assert encode_batch(site.log.checkpoint, 0, records, proof)
        for record in records:
            made, body = reports_in(site.log.origin, [record]), decode_entry(record.entry).body
            if isinstance(body, DeviceBody):
                continue
            pack = open_pack(body.raw, lambda *_: True)[0]
            assert made and report_line(VerifiedPack(pack, "gateway", record.index, True))
            told = json.loads(as_json(made[0]), parse_int=Decimal, parse_float=Decimal)["readings"]
            for reading in pack.readings:
                shown_alike(site, reading, told[reading.channel]["value"])
            found.extend(pack.readings)
        status_site(site.image)

    run(folder, scenario)
    return found


def shown_alike(site: Site, reading: Reading, told: Decimal | None) -> None:
    assert (reading.mantissa is None) == bool(reading.reason) == (reading.quality == Quality.BAD)
    json.loads(announcement(site.log.origin, "meter-2", reading.channel, reading.unit, 60)[1])
    shown = site.image.snapshot["meter-2"].get(reading.channel, reading)  # that keeps the newest 512 channels
    if reading.mantissa is not None:
        assert -BEYOND <= reading.mantissa < BEYOND
        assert told == Decimal(format_value(reading.mantissa, reading.exponent))
        assert math.isfinite(float(told)), "JavaScript and PostgreSQL read it as a double"
        assert Fraction(told) == reading.mantissa * Fraction(10) ** reading.exponent
    assert (shown.mantissa, shown.exponent) == (reading.mantissa, reading.exponent)


def status_site(image: ProcessImage) -> None:
    recorder = Recorder("test.example", lambda: draw([], [], print), image, FakeClock())
    recorder.look()
    assert json.dumps([recorder._device("meter-2"), recorder.charts()])


# --- registers ---


def test_the_largest_float_is_a_bad_reading_and_the_next_poll_a_good_one(tmp_path: Path):
    """An SDM630 whose register of power held 7F 7F FF FF for one second ended the gateway, at each start again."""
    power = profiles.load("eastron-sdm630").fields["power_active"]
    assert modbus_field.decode(power, LARGEST_FLOAT) == (None, modbus_field.TOO_LARGE)
    assert modbus_field.decode(power, bytes.fromhex("FF7FFFFF")) == (None, modbus_field.TOO_LARGE)
    assert modbus_field.decode(power, bytes.fromhex("44870000"))[0]
    found = through_every_sink(tmp_path, [polled("eastron-sdm630", LARGEST_FLOAT), readings_of(2300, "other")])
    assert {each.reason for each in found} == {modbus_field.TOO_LARGE, ""}
    assert found[-1].mantissa == 2300


REGISTERS = st.one_of(st.binary(min_size=8, max_size=64), st.sampled_from((LARGEST_FLOAT, b"\xff\x7f" * 4)))


@settings(max_examples=4, deadline=None)
@given(st.lists(REGISTERS, min_size=len(NAMES), max_size=len(NAMES)))
def test_whatever_its_registers_hold_each_profile_makes_what_can_be_written_down(registers: list[bytes]):
    reports = [polled(name, each) for name, each in zip(NAMES, registers, strict=True)]
    # As one device with the channels of all.
    named = [
        [each._replace(channel=f"p{place}.{each.channel}") for each in found] for place, found in enumerate(reports)
    ]
    with tempfile.TemporaryDirectory() as folder:
        assert through_every_sink(Path(folder), named) == [each for found in named for each in found]


KINDS = [("u", 1), ("u", 2), ("u", 4), ("s", 1), ("s", 2), ("s", 4), ("m", 2), ("f", 2), ("f", 4), ("b", 1), ("b", 4)]


@given(
    st.sampled_from(KINDS), st.booleans(), st.booleans(), st.integers(-18, 18), st.sampled_from((1, -1, 3600)),
    st.integers(-0x8000, 0x7FFF), st.integers(-24, 24), st.binary(min_size=8, max_size=8),
)  # fmt: skip
def test_every_type_and_exponent_makes_what_can_be_signed(
    kind: tuple[str, int], words: bool, octets: bool, shift: int, factor: int, scale: int, exponent: int, raw: bytes
):
    one = RegisterField(
        "c", "V", exponent, 3, 0, kind[1], kind[0], words, octets, shift, factor, frozenset(), 1, 0, None
    )
    mantissa, reason = modbus_field.decode(one, raw[: 2 * kind[1]], scale)
    assert (mantissa is None) == bool(reason)
    made = Reading("c", "V", mantissa, 0 if reason else exponent, Quality.BAD if reason else Quality.GOOD, reason, 1)
    assert payloads("meter-2", [made]).readings == [made], "nothing had to be mended"


@pytest.mark.parametrize("scale", (-32768, -32767, -11, 11, 32767))
def test_a_scale_factor_that_the_standard_does_not_have_is_none(scale: int):
    """Minus 11 and below made a good 0 of every value."""
    one = RegisterField("c", "V", 0, 3, 0, 1, "u", False, False, 0, 1, frozenset(), 1, 0, None)
    assert modbus_field.decode(one, b"\x09\x03", scale) == (None, modbus_field.NO_SCALE)


# --- adapters, which may hand over anything ---


def readings_of(mantissa: Any, channel: Any = "power", exponent: Any = 0, time_ms: Any = 1) -> list[Reading]:
    return [Reading(channel, "W", mantissa, exponent, Quality.GOOD, "", time_ms)]


ODD: list[tuple[Reading, str]] = [
    (readings_of(2**63)[0], "number too large"),
    (readings_of(-(2**63) - 1)[0], "number too large"),
    (readings_of(10**40)[0], "number too large"),
    (readings_of(231.5)[0], "not a whole number"),
    (readings_of(math.nan)[0], "not a whole number"),
    (readings_of("231")[0], "not a whole number"),
    (readings_of(True)[0], "not a whole number"),
    (readings_of(1, exponent=None)[0], "not a whole number"),
    (readings_of(1, exponent=400)[0], "power: exponent 400 cannot be sent"),
    (readings_of(1)[0]._replace(quality=7), "power: quality 7 cannot be sent"),
    (readings_of(None)[0], "power: a bad reading has a reason and no value"),
    (readings_of(1)[0]._replace(quality=Quality.BAD), "power: a bad reading has a reason and no value"),
]
NAMELESS = [
    readings_of(1, "a channel")[0],
    readings_of(1, "")[0],
    readings_of(1, None)[0],
    readings_of(1, ["power"])[0],
    readings_of(1, "Wärme\ud800")[0],
    readings_of(1)[0]._replace(unit="°C"),
    readings_of(1)[0]._replace(unit="kWh"),
    readings_of(1, time_ms=-1)[0],
    readings_of(1, time_ms=2**64)[0],
    readings_of(1, time_ms=1.5)[0],
]


def test_what_cannot_be_written_is_bad_and_its_neighbours_stay(tmp_path: Path):
    good = readings_of(5, "current")[0]
    for reading, reason in ODD:
        bad, neighbour = payloads("meter-2", [reading, good]).readings
        assert bad == Reading("power", "W", None, 0, Quality.BAD, bad.reason, 1) and bad.reason.startswith(reason)
        assert neighbour == good
    named = [reading._replace(channel=f"power_{place}") for place, (reading, _) in enumerate(ODD)]
    found = through_every_sink(tmp_path, [[each, good] for each in named])
    assert [each.quality for each in found] == [Quality.BAD, Quality.GOOD] * len(ODD)


def test_every_unit_of_a_profile_or_a_sensor_is_one_that_a_reading_may_have() -> None:
    rows = [*bthome.MEASUREMENTS.values(), *environment.CHARACTERISTICS.values()]
    assert {unit.senml for unit in UNITS.values()} | {row[1] for row in rows} <= SENML_UNITS


def test_what_has_no_name_to_write_is_told_once(tmp_path: Path):
    async def scenario(site: Site) -> None:
        for each in range(3):
            site.intake.report("meter-2", [*NAMELESS, *readings_of(each)])
        site.intake.report("meter-2", [])
        await until(lambda: site.intake.counters["packs"] == 3, "the reports")
        await site.committer.commit([])
        told = [each.body for each in site.entries() if isinstance(each.body, DeviceBody)]
        assert {each.event for each in told} == {"reading refused"}
        assert len({each.text for each in told}) == len(told) > 5
        assert len(site.raws()) == 3

    run(tmp_path, scenario)


_ANYTHING = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=70), st.binary(max_size=3))


@settings(max_examples=200)
@given(st.lists(st.builds(Reading, *[st.one_of(_ANYTHING, st.sampled_from(("power", "W", 0, 1)))] * 7), max_size=5))
def test_anything_is_written_or_refused_with_a_reason(readings: list[Reading]):
    made = payloads("meter-2", readings)
    assert len(made.readings) + len(made.refused) == len(readings)
    assert sum(count for _, count in made.parts) == len(made.readings) and all(made.refused)
    for payload, _ in made.parts:
        assert decode_readings(payload)[0] == "meter-2"


def test_a_device_that_counts_in_other_steps_from_now_on_begins_anew():
    """SunSpec: found again, a device may have other scale factors; a sum over both would mean nothing."""
    found: list[Reading] = []
    reporter = Reporter(aggregate_kind, 2, found.extend)
    for exponent in (-1, -2, -2):
        reporter.add([Reading("power", "W", 2300, exponent, Quality.GOOD, "", 1)])
    assert {(each.channel, each.mantissa, each.exponent) for each in found[-4:]} == {
        (name, 2300, -2) for name in ("power", "power.min", "power.max", "power.mean")
    }

"""What a profile can say of a register, and that the value is exact: every key against fractions."""

import json
import struct
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from wayside import profiles
from wayside.profiles import Profile, ProfileError
from wayside.profiles.fields import times
from wayside.profiles.node import for_node
from wayside.profiles.units import UNITS
from wayside.values.reading import format_value
from wayside_wire import modbus_field, modbus_plan

HEAD = """
[profile]
name = "x"
title = "X"
source = "a manual"
verified = "document"

[requests]
max_registers = 60

[registers]
area = "holding"
base = { holding = 40001, input = 30001, coil = 1, discrete = 10001 }
type = "u16"

[[probe]]
address = 40900
min = 1
max = 2

[channels]
"""


def profile_of(tmp_path: Path, channels: str, head: str = HEAD) -> Profile:
    path = tmp_path / "x.toml"
    path.write_text(head + channels)
    return profiles.load_file(path)


def value(profile: Profile, channel: str, data: str, scale: int = 0) -> tuple[str, str]:
    """(value, SenML unit) of a channel's registers, or ("", reason)."""
    field = profile.fields[channel]
    raw = bytes.fromhex(data)
    assert len(raw) == 2 * field.count
    mantissa, reason = modbus_field.decode(field, raw, scale)
    return ("", reason) if mantissa is None else (format_value(mantissa, field.exponent), field.unit)


@pytest.mark.parametrize(
    ("channel", "data", "expected"),
    [
        # 32,000 counts are the nominal voltage, in millivolts.
        ('voltage_l1 = { address = 40001, type = "s16", unit = "V", factor = "690/32000", exponent = -3 }', "7d00",
         ("690.000", "V")),
        ('voltage_l1 = { address = 40001, type = "s16", unit = "V", factor = "1/32000", exponent = -5 }', "ffff",
         ("-0.00003", "V")),
        ('energy_active_import = { address = 40001, type = "u32", unit = "Wh", factor = "1000/3", exponent = -1 }',
         "00000001", ("1200000", "J")),
        ('energy_active_import = { address = 40001, unit = "kWh", factor = "0.25", exponent = -2 }', "0001",
         ("900000", "J")),
        ('temperature = { address = 40001, unit = "Cel", exponent = -1, offset = -40 }', "0190", ("0.0", "Cel")),
        ('temperature = { address = 40001, unit = "Cel", exponent = -2, offset = "-273.15" }', "6ab3", ("0.00", "Cel")),
        ('temperature = { address = 40001, unit = "Cel", factor = "5/9", offset = "-160/9", exponent = -1 }', "00d4",
         ("100.0", "Cel")),
        ('temperature = { address = 40001, type = "s16", unit = "Cel", exponent = -1, offset = 5, sign = "negated" }',
         "000a", ("4.0", "Cel")),
        ('number = { address = 40001, type = "bcd32", unit = "1" }', "12345678", ("12345678", "/")),
        ('number = { address = 40001, type = "bcd16", unit = "1" }', "12a4", ("", "not a number")),
        ('energy_active_import = { address = 40001, type = "bcd32", word_order = "little", unit = "kWh", '
         'exponent = -2 }', "56780012", ("4524408000", "J")),
        ('number = { address = 40001, type = "u48", unit = "1" }', "000100000002", ("4294967298", "/")),
        ('number = { address = 40001, type = "s48", unit = "1" }', "fffffffffffe", ("-2", "/")),
        # Words that stand apart, the lower one first in the device; what is between them does not count.
        ('number = { address = [40004, 40001], type = "u32", unit = "1" }', "0002ffffffff0001", ("65538", "/")),
        ('number = { address = [40001, 40003], type = "f32", unit = "1", exponent = -1 }', "4366ffff8000",
         ("230.5", "/")),
        ('energy_active_import = { address = 40001, unit = "kWh", plus = [{ address = 40003, unit = "MWh" }] }',
         "03e7ffff0002", ("10796400000", "J")),
        ('energy_active_import = { address = 40002, unit = "Wh", exponent = -1, plus = [{ address = 40001, unit = '
         '"kWh" }] }', "00010001", ("3600360", "J")),
        ('power_active = { address = 40001, unit = "W", plus = [{ address = 40002, sign = "negated" }] }', "0005000a",
         ("-5", "W")),
        ('power_active = { address = 40001, unit = "W", missing = ["all-ones"], plus = [{ address = 40002, missing = '
         '[0x8000] }] }', "00058000", ("", "no value")),
        # A count of ten thousands, as meters with four digits for each register write it.
        ('energy_active_import = { address = 40001, unit = "Wh", plus = [{ address = 40002, factor = 10_000 }, '
         '{ address = 40003, factor = 100_000_000 }] }', "270f00020001", ("360107996400", "J")),
        # What people met: a count of 1/32000 kWh, a low word 49 registers before its high word, a register between
        # the words, two words that a program had to add up, a power factor without a sign.
        ('energy_active_import = { address = 40001, type = "u64", word_order = "little", unit = "kWh", '
         'factor = "1/32000", exponent = -5 }', "75600006" + 8 * "0", ("47617200", "J")),
        ('power_active = { address = [40050, 40001], type = "s32", unit = "W" }',
         "ff9c" + 48 * "0001" + "ffff", ("-100", "W")),
        ('energy_active_import = { address = [40003, 40001], type = "u32", unit = "kWh", exponent = -1 }',
         "000acafe0001", ("23596560000", "J")),
        ('energy_active_import = { address = 40001, unit = "kWh", exponent = -1, plus = [{ address = 40002, '
         'factor = "6553.6" }] }', "000a0001", ("23596560000", "J")),
        ('power_factor = { address = 40001, unit = "1", factor = "1/10000", offset = -1, exponent = -4 }', "06a4",
         ("-0.8300", "/")),
        ('temperature = { address = 40001, type = "s16", mask = 0x00FF, unit = "Cel" }', "12fe", ("-2", "Cel")),
        ('temperature = { address = 40001, type = "s16", mask = 0xFF00, unit = "Cel" }', "12fe", ("18", "Cel")),
        ('pressure = { address = 40001, unit = "bar", exponent = -2 }', "0096", ("150000", "Pa")),
        ('flow = { address = 40001, unit = "l/min", exponent = -1 }', "00fa", ("0.41667", "l/s")),
        ('flow = { address = 40001, unit = "m3/h", exponent = -3 }', "0e10", ("0.001000000", "m3/s")),
        ('hours = { address = 40001, unit = "h" }', "000a", ("36000", "s")),
        ('temperature = { address = 40001, unit = "K", exponent = -1 }', "0ba8", ("298.4", "K")),
        ('speed = { address = 40001, unit = "rpm" }', "05dc", ("1500", "1/min")),
    ],
)  # fmt: skip
def test_what_a_register_says(tmp_path: Path, channel: str, data: str, expected: tuple[str, str]) -> None:
    profile = profile_of(tmp_path, channel)
    assert value(profile, channel.split()[0], data) == expected


@given(
    st.sampled_from(("u16", "s16", "u32", "s32", "f32", "bcd32")),
    st.sampled_from(("W", "kWh", "l/min", "Cel")),
    st.fractions(min_value=Fraction(1, 10**6), max_value=10**6, max_denominator=10**6),
    st.fractions(min_value=-1000, max_value=1000, max_denominator=1000),
    st.fractions(min_value=Fraction(1, 1000), max_value=1000, max_denominator=1000),
    st.binary(min_size=4, max_size=4),
)
@example("u16", "W", Fraction(1, 10**6), Fraction(1), Fraction(1, 1000), b"\xff\xff\x00\x00")
def test_the_error_is_half_of_the_last_digit_at_most(
    tmp_path_factory: pytest.TempPathFactory,
    kind: str, unit: str, factor: Fraction, offset: Fraction, ratio: Fraction, raw: bytes,
) -> None:  # fmt: skip
    exponent = -9
    name = "energy_x" if unit == "kWh" else "x"
    text = f'{name} = {{ address = 40001, type = "{kind}", unit = "{unit}", exponent = {exponent}, '
    text += f'factor = "{factor}", offset = "{offset}" }}'
    if factor == 1 or offset == 0:
        return
    field = times(profile_of(tmp_path_factory.mktemp("p"), text).fields[name], ratio)
    data = raw[: 2 * field.count]
    mantissa, reason = modbus_field.decode(field, data)
    if modbus_field.raw_bits(field, data) in field.missing:  # all ones: what a u16 has that has no value
        assert (mantissa, reason) == (None, modbus_field.NO_VALUE)
        return
    register = counted(kind, data)
    exact = None
    if register is not None:
        to_senml = Fraction(UNITS[unit].factor, UNITS[unit].divisor) * Fraction(10) ** UNITS[unit].power
        exact = (register * factor + offset) * ratio * to_senml / Fraction(10) ** field.exponent
    if mantissa is None:
        assert (exact is None and reason == modbus_field.NOT_A_NUMBER) or (
            exact is not None and abs(exact) >= 2**63 - 1
        )
    else:
        assert exact is not None and abs(mantissa - exact) <= Fraction(1, 2)
        assert mantissa == round(exact), "half to even"


def counted(kind: str, data: bytes) -> Fraction | None:
    """What the register counts, worked out in another way than the decoder does."""
    if kind == "f32":
        number = struct.unpack(">f", data)[0]
        return Fraction(number) if number == number and abs(number) != float("inf") else None
    if kind.startswith("bcd"):
        return Fraction(int(data.hex())) if data.hex().isdecimal() else None
    return Fraction(int.from_bytes(data, "big", signed=kind[0] == "s"))


RATIOS = """
voltage_l1 = { address = 40001, unit = "V", exponent = -1, ratio = "vt" }
current_l1 = { address = 40002, unit = "A", exponent = -3, ratio = "ct" }
power_active = { address = 40003, unit = "W", type = "f32", exponent = -1, ratio = "ct*vt" }
energy_active_import = { address = 40005, unit = "kWh", exponent = -1, ratio = "ct", rollover = 10_000 }
frequency = { address = 40006, unit = "Hz", exponent = -2 }
"""


def test_ratios_of_the_site(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, RATIOS)
    assert [field.channel for field in profile.select(["frequency"])] == ["frequency"]
    with pytest.raises(
        ProfileError, match=r'current_l1 is what the meter sees .* write ct_ratio = "PRIMARY/SECONDARY"'
    ):
        profile.select()
    site = profile.for_site(Fraction(250, 5), Fraction(20_000, 100))
    assert value(site, "voltage_l1", "03e8") == ("20000.0", "V")
    assert value(site, "current_l1", "1388") == ("250.000", "A")
    assert value(site, "power_active", "3f800000") == ("10000.0", "W")
    assert value(site, "energy_active_import", "0001") == ("18000000", "J")
    assert value(site, "frequency", "1388") == ("50.00", "Hz")
    field = site.fields["energy_active_import"]
    assert site.rollover["energy_active_import"] * field.factor == 10_000 * 36 * 50
    # A ratio that is no whole number, and none at all.
    odd = profile.for_site(Fraction(1000, 6), Fraction(1))
    assert value(odd, "current_l1", "0001") == ("0.167", "A")
    assert len(odd.select()) == 5
    with pytest.raises(ProfileError, match="vt_ratio"):
        profile.for_site(ct=Fraction(50)).select()
    with pytest.raises(ProfileError, match="no channel has to be multiplied by ct_ratio; remove it"):
        profiles.load("eastron-sdm630").for_site(ct=Fraction(50))


PARTS = HEAD.replace("[[probe]]", "[parts]\ncount = 3\nstride = 100\n\n[[probe]]", 1)


def test_several_meters_in_one_device(tmp_path: Path) -> None:
    profile = profile_of(
        tmp_path,
        """
voltage_l1 = { address = 40001, unit = "V", exponent = -1, stride = 0 }
current_l1 = { address = 40011, unit = "A", exponent = -3, stride = 2 }
energy_active_import = { address = 40101, unit = "Wh", scale_register = 40105 }
pump = { address = 1, area = "coil", unit = "1", stride = 1 }

[controls]
power_limit = { address = 40111, unit = "%", min = 0, max = 100 }
""",
        PARTS,
    )
    third = profile.for_site(part=3)
    assert [field.address for field in third.fields.values()] == [0, 14, 300, 2]
    assert third.fields["energy_active_import"].scale == 304
    assert third.controls["power_limit"].field.address == 310
    assert profile.for_site(part=1).fields == profile.fields
    with pytest.raises(ProfileError, match=r"part = 4: the device has 3; write 1 to 3"):
        profile.for_site(part=4)
    with pytest.raises(ProfileError, match=r"part = 2: the device has 1; remove it"):
        profiles.load("eastron-sdm630").for_site(part=2)


def test_meanings(tmp_path: Path) -> None:
    profile = profile_of(
        tmp_path,
        """
state = { address = 40001, unit = "1", meanings = { 0 = "off", 4 = "feeding in" } }
mode = { address = 40002, type = "s16", unit = "1", meanings = { -1 = "discharge", 1 = "charge" } }
alarms = { address = 40003, type = "bits16", unit = "1", meanings = { 0 = "hot", 15 = "no fan" } }
relay = { address = 40004, type = "bits16", mask = 0x0300, unit = "1", meanings = { 0 = "closed", 1 = "blocked" } }
door = { address = 10001, area = "discrete", unit = "1", meanings = { 0 = "shut", 1 = "open" } }
""",
    )
    said = [("state", 4), ("state", 5), ("mode", -1), ("alarms", 0x8001), ("alarms", 0), ("relay", 2), ("door", 0)]
    assert [profile.meaning(*one) for one in said] == [
        "feeding in", "", "discharge", "hot, no fan", "", "blocked", "shut",
    ]  # fmt: skip


def test_the_manuals_own_numbers(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, 'voltage_l1 = { address = 30001, area = "input", unit = "V" }')
    field = profile.fields["voltage_l1"]
    assert (field.function, field.address) == (4, 0)
    assert profile.numbered(4, 0) == 30001 and profile.numbered(3, 5) == 40006 and profile.numbered(2, 0) == 10001


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_bits_become_registers(bits: list[bool]) -> None:
    packed = bytearray((len(bits) + 7) // 8)
    for at, bit in enumerate(bits):
        packed[at // 8] |= bit << at % 8
    registers = modbus_field.as_registers(1, len(bits), bytes(packed))
    assert [registers[2 * at : 2 * at + 2] for at in range(len(bits))] == [bytes((0, bit)) for bit in bits]
    assert modbus_field.as_registers(3, 1, b"\x12\x34") == b"\x12\x34"


def test_answers_of_coils_have_different_sizes(tmp_path: Path) -> None:
    """Eight coils are one byte: blocks of 3 and 5 would have answers that look alike."""
    lines = [f'c{at} = {{ address = {at}, area = "coil", unit = "1" }}' for at in (1, 2, 3, 100, 101, 102, 103, 104)]
    profile = profile_of(tmp_path, "\n".join(lines))
    blocks = modbus_plan.plan(list(profile.fields.values()), profile.max_registers, 20)
    sizes = [(block.count + 7) // 8 for block in blocks]
    assert len(blocks) == 2 and len(set(sizes)) == 2


def rows(made: dict[str, Any]) -> list[Any]:
    return [row for row in json.loads(json.dumps(made))["channels"] if len(row) > 15]


@pytest.mark.parametrize(
    "profile, channel, data",
    [
        ("huawei-sun2000", "grid_power_active", "7FFFFFFF"),
        ("huawei-emma", "energy_pv", "7FFFFFFFFFFFFFFF"),
        ("huawei-emma", "dc_power", "FFFFFFFF"),
        ("goodwe-et", "energy_storage_charged", "FFFFFFFF"),
        ("goodwe-et", "grid_frequency", "FFFF"),
        ("idm-navigator", "power_active", "0000BF80"),
        ("lambda-eureka", "tap_water_temperature_top", "F448"),
        ("thermia-genesis", "outdoor_temperature", "4E20"),
        ("sungrow-sh", "storage_state_of_charge", "FFFF"),
        ("deye-hybrid-1p", "grid_power_active", "8000"),
    ],
)
def test_the_ends_of_a_range_are_no_values(profile: str, channel: str, data: str) -> None:
    assert value(profiles.load(profile), channel, data) == ("", "no value")


def test_states_and_what_is_said_to_have_all_values_reach_the_ends(tmp_path: Path) -> None:
    made = profile_of(
        tmp_path,
        'state = { address = 40001, unit = "1" }\npower_active = { address = 40002, missing = [], unit = "W" }',
    )
    assert value(made, "state", "FFFF") == ("65535", "/") and value(made, "power_active", "FFFF") == ("65535", "W")


def test_what_a_node_is_told(tmp_path: Path) -> None:
    text = 'energy_x = { address = 40004, unit = "kWh", factor = "1/3", exponent = -1, plus = [{ address = 40001 }] }'
    made = for_node(profile_of(tmp_path, text))
    term = ["", "", 4, 3, 0, 1, "u", False, False, 0, 360, [65535], None, 0, "last"]
    assert rows(made) == [
        ["energy_x", "J", 4, 3, 0, 4, "u", False, False, 0, 120, [65535], None, 0, "register", [1, 0, [3], [term]]]
    ]


def test_doubles_lose_nothing() -> None:
    field = times(profiles.load("eastron-sdm630").fields["energy_active_import"], Fraction(1, 3))
    mantissa, _ = modbus_field.decode(field, bytes.fromhex("4b800001"))
    assert mantissa == round(Decimal(16777218) * 1000 * 36 / 3)


def test_a_scale_register_is_read_with_its_value(tmp_path: Path) -> None:
    text = 'voltage_l1 = { address = 40001, unit = "V", exponent = -2, scale_register = 40031 }'
    field = profile_of(tmp_path, text).fields["voltage_l1"]
    assert (field.address, field.count, field.scale) == (0, 31, 30)
    with pytest.raises(ProfileError, match="stand apart, and read_gaps = false"):
        profile_of(tmp_path, text, HEAD.replace("max_registers = 60", "max_registers = 60\nread_gaps = false"))
    with pytest.raises(ProfileError, match="needs 301 registers in one request"):
        profile_of(tmp_path, text.replace("40031", "40301"))

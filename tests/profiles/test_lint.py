"""Profiles that say nothing, or cannot be right: each is refused, with its line and what to write."""

from pathlib import Path

import pytest
from profiles.test_meaning import HEAD, PARTS
from wayside import profiles
from wayside.cli import main
from wayside.profiles import ProfileError

V = "voltage_l1 = { address = 40001, unit = "


def refused(tmp_path: Path, text: str) -> str:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(ProfileError) as error:
        profiles.load_file(path)
    return str(error.value)


@pytest.mark.parametrize(
    ("channels", "complaint"),
    [
        # Contents that never stand in the register.
        (V + '"V", type = "s16", missing = [-32768] }', "-32768 is never the content of a register; write it as it "
         "stands there, 0x8000"),
        (V + '"V", type = "s32", missing = [-1] }', "0xffffffff"),
        (V + '"V", missing = [0x10000] }', "missing: 0x10000 does not fit into u16"),
        (V + '"V", missing = ["all-ones", 0xFFFF] }', "names one content twice"),
        ('c = { address = 1, area = "coil", unit = "1", missing = [0] }', "missing does nothing: a single bit"),
        # Keys that do nothing where they stand.
        (V + '"V", raw_exponent = -1 }', "raw_exponent is for floats; u16 counts 10^exponent"),
        (V + '"V", type = "bcd16", raw_exponent = -1 }', "raw_exponent is for floats"),
        (V + '"V", type = "f32", factor = 2, raw_exponent = -1 }', "raw_exponent and factor say the same"),
        (V + '"V", type = "f32", mask = 0xFF }', "mask does nothing: it takes bits of whole numbers, not of f32"),
        (V + '"V", type = "bcd16", mask = 0xFF }', "mask does nothing"),
        (V + '"V", mask = 0xFFFF }', "mask = 0xffff does nothing"),
        (V + '"V", mask = 0 }', "mask = 0x0 does nothing"),
        (V + '"V", mask = 0x1FFFF }', "names bits that u16 does not have"),
        (V + '"V", mask = 0x0505 }', "has holes"),
        (V + '"V", sign = "magnitude", type = "s16" }', 'sign = "magnitude" is for whole registers of type u16'),
        (V + '"V", sign = "magnitude", type = "f32" }', 'sign = "magnitude" is for whole registers of type u16'),
        (V + '"V", sign = "magnitude", mask = 0xFF }', 'sign = "magnitude" is for whole registers'),
        (V + '"1", sign = "negated", type = "bits16" }', "sign: bits are no count"),
        (V + '"1", exponent = -1, type = "bits16" }', "exponent: bits are no count"),
        (V + '"V", type = "bits16" }', "bits have no unit"),
        (V + '"V", factor = 1 }', "factor = 1 does nothing"),
        (V + '"V", offset = 0 }', "offset = 0 does nothing"),
        (V + '"V", offset = nan }', 'a fraction in quotes, such as "1/32000"'),
        (V + '"V", word_order = "little" }', "word_order does nothing: u16 has no words"),
        (V + '"V", registers = 2 }', "registers does nothing"),
        (V + '"V", stride = 2 }', "stride does nothing: the device has no [parts]"),
        (V + '"V", rollover = 1000 }', "rollover does nothing: only channels that begin with energy_"),
        ('energy_x = { address = 40001, unit = "kWh", rollover = 100_000 }', "u16 starts again before that"),
        (V + '"V", type = "f32", scale_register = 40009 }', "scale_register does nothing for f32"),
        # What cannot be right.
        (V + '"V", type = "text", registers = 2 }', "a text is no quantity"),
        (V + '"A" }', 'unit = "A": a channel called voltage is in V'),
        ('energy_active_import = { address = 40001, unit = "kW" }', "a channel called energy_active is in J"),
        ('energy_x = { address = 40001, unit = "kWh", sign = "negated" }', "a counter grows, and this one would fall"),
        ('energy_x = { address = 40001, unit = "kWh", plus = [{ address = 40002, sign = "negated" }] }',
            "a difference falls"),
        ('power_x = { address = 40001, unit = "W", scale_register = 40005 }\nvoltage = { address = 40005, unit = "V" }',
            "scale_register: is a register of voltage"),
        ('value_x = { address = 40001, unit = "1", meanings = { 1 = "on" }, missing = [1] }', "1 is never shown"),
        (V + '"V", factor = "1/32000", exponent = -2 }', "write exponent = -5 or less"),
        (V + '"V", factor = 0.5 }', '0.5: write a whole number, or a decimal or a fraction in quotes, such as "0.5"'),
        (V + '"V", factor = "1/0" }', "nothing can be divided by 0"),
        (V + '"V", factor = "-1" }', 'a factor is more than 0; write sign = "negated"'),
        (V + '"V", factor = "half" }', "'half': write a whole number"),
        (V + '"V", ratio = "ct" }', 'ratio = "ct": no transformer changes what is in V so; write "vt"'),
        ('frequency = { address = 40001, unit = "Hz", ratio = "ct" }', "what is in Hz so; remove it"),
        (V + '"V", type = "bit" }', 'type = "bit" is for coils and discrete inputs'),
        ('c = { address = 1, area = "coil", type = "u16", unit = "1" }', "a coil is a single bit; remove the type"),
        ('c = { address = 105536, type = "u32", unit = "1" }', "beyond the end"),
        ('c = { address = 40001, unit = "1", scale_register = 40001 }', "scale_register: is a register of c"),
        ('c = { address = 40001, type = "bits16", unit = "1", meanings = { 16 = "x" } }', "there is no bit 16"),
        ('c = { address = 40001, unit = "1", meanings = { x = "x" } }', '"x" is no number'),
        ('c = { address = 40001, unit = "1", meanings = { -1 = "x" } }', "-1 never stands in u16"),
        ('c = { address = 40001, unit = "V", meanings = { 1 = "x" } }', "meanings are for what stands in the register"),
        ('c = { address = 40001, unit = "1", factor = 2, meanings = { 1 = "x" } }', "the number is the register's own"),
        # Names that promise another quantity, of channels and of controls.
        ('temperature = { address = 40001, unit = "V" }', "a channel called temperature is in Cel, K"),
        ('tap_water_temperature_top = { address = 40001, unit = "%" }', "a channel called temperature is in Cel"),
        ('energy_pv = { address = 40001, unit = "A" }', "a channel called energy is in J"),
        ('energy_meter_voltage = { address = 40001, unit = "V" }', "a channel called energy is in J"),
        ('energy_reactive_import = { address = 40001, unit = "kWh" }', "energy_reactive is in varh, kvarh, Mvarh"),
        ('energy_mode = { address = 40001, unit = "1", meanings = { 0 = "a" } }', "a channel called energy is in J"),
        ('energy_x = { address = 1, area = "coil", unit = "1" }', "a channel called energy is in J"),
        ('dc_power = { address = 40001, unit = "A" }', "a channel called power is in W"),
        ('power_apparent = { address = 40001, unit = "W" }', "a channel called power_apparent is in VA"),
        ('power_factor = { address = 40001, exponent = -3, unit = "W" }', "a channel called factor is in 1, %"),
        ('humidity = { address = 40001, unit = "Cel" }', "a channel called humidity is in 1, %, ppm, %RH"),
        (V + '"%" }', "a channel called voltage is in V, mV, kV"),
        (V + '"V" }\n[controls]\ncurrent_limit = { address = 40002, unit = "V", min = 0, max = 9 }',
         "a channel called current is in A"),
        # Exponents that leave nothing of the value.
        (V + '"V", type = "f32" }', "write exponent = -1 or less"),
        (V + '"kV", type = "f32", exponent = -3 }', "write exponent = -4 or less"),
        (V + '"V", type = "f32", exponent = 3, raw_exponent = -3 }', "write exponent = -3 or less"),
        ('power_factor = { address = 40001, unit = "1" }', "write exponent = -2 or less"),
        ('energy_x = { address = 40001, type = "f32", unit = "kWh", exponent = 9 }', "write exponent = -1 or less"),
        ('frequency = { address = 40001, unit = "Hz", exponent = 3, scale_register = 40005 }', "exponent = -2 or less"),
        ('c = { address = 40001, type = "f64", unit = "1", exponent = 1 }', "write exponent = 0 or less"),
        # Ends that no register and no display has.
        ('energy_x = { address = 40001, type = "f32", unit = "kWh", exponent = -3, rollover = 10 }',
         "displays at a power of ten, 10000 or more"),
        ('energy_x = { address = 40001, type = "u32", unit = "kWh", rollover = 9_999_999 }', "registers end at"),
        ('energy_x = { address = 40001, type = "s32", unit = "kWh", rollover = 4_294_967_296 }', "s32 starts again"),
        ('energy_x = { address = 40001, type = "bcd16", unit = "kWh", rollover = 100_000 }', "bcd16 starts again"),
        ('energy_x = { address = 40001, unit = "kWh", mask = 0xFFF, rollover = 10_000 }', "u16 starts again"),
        ('energy_x = { address = 40001, type = "u32", unit = "kWh", rollover = 10_000, resets = "daily" }',
         "rollover does nothing: a count that begins again by design"),
        (V + '"V", type = "f32", exponent = -1, missing = [230] }', "230 is the content and not the number"),
        # Registers among each other.
        (V + '"V" }\nvoltage_l2 = { address = 40001, unit = "V" }', "reads the same register as voltage_l1"),
        (V + '"V", type = "u32" }\nvoltage_l2 = { address = 40002, unit = "V" }',
         "overlaps voltage_l1: both take register 40002 (0x9c42)"),
        (V + '"V", type = "f32", exponent = -1 }\nvoltage_l2 = { address = 40001, type = "u32", unit = "V" }',
         "overlaps voltage_l1"),
        ('a = { address = 40001, type = "bits16", mask = 3, unit = "1" }\n'
         'b = { address = 40001, type = "bits16", mask = 6, unit = "1" }', "let masks take different bits"),
        ('c = { address = [40001, 40001], type = "u32", unit = "1" }', "names a register twice"),
        ('c = { address = [40001, 40003], unit = "1" }', "u16 has 1 registers; write 1 addresses"),
        ('c = { address = [40001, 40080], type = "u32", unit = "1" }', "needs 80 registers in one request"),
        ('c = { address = 40001, unit = "1", plus = [{ address = 40001 }] }', "adds a register a second time"),
        ('c = { address = 40001, unit = "W", plus = [{ address = 40002, unit = "kWh" }] }', "kWh cannot be added to W"),
        ('c = { address = 40001, unit = "W", plus = [{ address = 30002, area = "input" }] }', "in the same"),
        ('c = { address = 40001, unit = "W", plus = [{ address = 40002, mask = 0 }] }', "plus[1]: mask = 0x0 does"),
        ('c = { address = 40001, unit = "W", plus = [{ address = 40002, type = "u32" }] }\n'
         'd = { address = 40003, unit = "W" }', "plus[1]: overlaps d"),
        # Controls.
        (V + '"V" }\n[controls]\nc = { address = 40002, unit = "%", min = 9, max = 0 }', "min = 9 is above max = 0"),
        (V + '"V" }\n[controls]\nc = { address = 40002, unit = "%", min = -1, max = 1 }', "min = -1 cannot be written"),
        (V + '"V" }\n[controls]\nc = { address = 40002, unit = "%", min = 0, max = 65536 }', "it holds 0 to 65535"),
        (V + '"V" }\n[controls]\nc = { address = 40002, type = "f32", unit = "%", min = 0, max = 1 }',
         "f32 cannot be written"),
        (V + '"V" }\n[controls]\nc = { address = 40002, unit = "%", min = 0, max = 1, mask = 1 }', 'key "mask"'),
        (V + '"V" }\n[controls]\nc = { address = 40002, type = "u32", unit = "%", min = 0, max = 1 }\n'
         'd = { address = 40003, unit = "%", min = 0, max = 1 }', "writes the same register as c"),
        (V + '"V", type = "u32" }\n[controls]\nc = { address = 40002, unit = "%", min = 0, max = 1 }',
         "overlaps the channel voltage_l1"),
        ('limit = { address = 40001, type = "s16", unit = "W" }\n[controls]\n'
         'x = { address = 40001, unit = "W", min = 0, max = 9 }', "channel limit reads, with another type"),
        ('limit = { address = 40001, exponent = -1, unit = "kW" }\n[controls]\n'
         'x = { address = 40001, exponent = 1, unit = "W", min = 0, max = 9 }', "with another scale"),
        ('limit = { address = 40001, unit = "W", sign = "negated" }\n[controls]\n'
         'x = { address = 40001, unit = "W", min = 0, max = 9 }', "with another scale"),
        ('limit = { address = 40001, unit = "W", offset = 5 }\n[controls]\n'
         'x = { address = 40001, unit = "W", min = 0, max = 9 }', "with another scale"),
        ('limit = { address = 40001, unit = "W" }\n[controls]\n'
         'x = { address = 40001, unit = "A", min = 0, max = 9 }', "with another unit"),
        ('limit = { address = 40001, type = "u32", unit = "W", word_order = "little" }\n[controls]\n'
         'x = { address = 40001, type = "u32", unit = "W", min = 0, max = 9 }', "with another word_order"),
        ('limit = { address = 40001, unit = "W", byte_order = "little" }\n[controls]\n'
         'x = { address = 40001, unit = "W", min = 0, max = 9 }', "with another byte_order"),
        ('a = { address = 40001, unit = "W", scale_register = 40002 }\n[controls]\n'
         'x = { address = 40002, unit = "1", min = 0, max = 9 }', "writes the scale_register of the channel a"),
        ('a = { address = 40001, unit = "W", plus = [{ address = 40003, type = "u32" }] }\n[controls]\n'
         'x = { address = 40004, unit = "W", min = 0, max = 9 }', "writes a part of what is added to the channel a"),
        # Identity.
        (V + '"V" }\n[identity]\nserial_number = { address = 40001 }', "stands where the channel voltage_l1 is"),
        ('energy_x = { address = 40001, type = "u32", unit = "kWh" }\n[identity]\n'
         'serial_number = { address = 40002, type = "u32" }', "stands where the channel energy_x is, which changes"),
        ('c = { address = 40001, unit = "kWh", plus = [{ address = 40002, unit = "MWh" }] }\n[identity]\n'
         'serial_number = { address = 40002 }', "stands where the channel c is"),
        ('c = { address = 40001, unit = "W", scale_register = 40002 }\n[identity]\n'
         'serial_number = { address = 40002 }', "stands where the channel c is"),
        (V + '"V" }\n[identity]\nserial_number = { address = 40010, type = "u32" }\nmodel = { address = 40011 }',
         "stands where identity.serial_number is"),
        (V + '"V" }\n[controls]\nc = { address = 40002, unit = "1", min = 0, max = 1 }\n[identity]\n'
         'serial_number = { address = 40002 }', "stands where the control c is"),
        (V + '"V" }\n[identity]\nserial_number = { address = 40010, type = "f32" }', "f32 identifies nothing"),
        (V + '"V" }\n[identity]\nserial_number = { address = 40010, type = "text", registers = 61 }',
         "needs 61 registers in one request"),
        (V + '"V" }\n[identity]\nserial = { address = 40010, type = "u32" }', "is read by nobody; write one of"),
        (V + '"V" }\n[identity]\nserial_number = { address = 40010, type = "text" }', "a text needs its length"),
        (V + '"V" }\n[identity]\nserial_number = { address = 40010, registers = 2 }', "registers does nothing"),
    ],
)  # fmt: skip
def test_what_cannot_be_right(tmp_path: Path, channels: str, complaint: str) -> None:
    text = refused(tmp_path, HEAD + channels)
    assert complaint in text
    assert "x.toml:2" in text or "x.toml:1" in text, f"no line: {text}"


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("min = 1\nmax = 2", "min = 3\nmax = 2", "probe[1]: min = 3 is above max = 2"),
        ("min = 1\nmax = 2", "expect = [1]\nmax = 2", "probe[1]: expect says all; remove min and max"),
        ("min = 1\nmax = 2", "expect = [70000]", "probe[1]: expect: 70000 never stands in u16"),
        ("min = 1\nmax = 2", "min = -5\nmax = -1", "probe[1]: min to max never stands in u16"),
        ("min = 1\nmax = 2", "min = 0\nmax = 65535", "probe[1]: every u16 fits"),
        ("min = 1\nmax = 2", 'expect = [0, 1]\narea = "coil"\n', "probe[1]: every bit fits"),
        ("min = 1\nmax = 2", "expect = [1, 1]", "probe[1]: expect: names one value twice"),
        ("min = 1\nmax = 2", "expect = [1]\n[[probe]]\naddress = 40900\nexpect = [2]", "a register of probe[1] again"),
        ("min = 1\nmax = 2", 'expect = [1]\n[[probe]]\naddress = 40899\ntype = "u32"\nexpect = [2]', "probe[1] again"),
        ('"u16"\n\n[[probe]]\naddress = 40900\nmin = 1\nmax = 2',
         '"u16"\nmissing = [7]\n\n[[probe]]\naddress = 40900\nexpect = [7]', "expect: 7 means no value"),
        ('"u16"\n\n[[probe]]\naddress = 40900\nmin = 1\nmax = 2',
         '"u16"\nmissing = ["all-ones"]\n\n[[probe]]\naddress = 40900\nmin = 65535\nmax = 65535', "65535 means no"),
        # Keys without effect.
        ('title = "X"', 'title = "X"\nmax_power_w = 1000', "profile.max_power_w: does nothing: only counters"),
        ('title = "X"', 'title = ""', "profile.title"),
        ("max_registers = 60", "max_registers = 60\nread_gaps = false\nstep = 2", "requests.step: does nothing"),
        ("max_registers = 60", "max_registers = 2\nstep = 2", "requests.step: does nothing"),
        ('type = "u16"', 'type = "u16"\nword_order = "little"', "registers.word_order: does nothing: no value has two"),
        ("min = 1\nmax = 2", 'min = 1\nmax = 2\ntype = "text"', "probe[1]: a text is not compared"),
        ("max_registers = 60", "max_registers = 60\nwrite_function = 6", "there are no controls; remove it"),
        ("holding = 40001, ", "", "registers.base says nothing of holding registers; add holding ="),
        ("base = { holding = 40001, input = 30001, coil = 1, discrete = 10001 }", "base = 30001",
         "registers.base = 30001 is where input registers begin"),
        ('type = "u16"', 'type = "u16"\nmissing = [0x80000000]', "0x80000000 does not fit into u16"),
    ],
)  # fmt: skip
def test_tables_that_cannot_be_right(tmp_path: Path, before: str, after: str, complaint: str) -> None:
    assert before in HEAD
    assert complaint in refused(tmp_path, HEAD.replace(before, after) + V + '"V" }')


@pytest.mark.parametrize(
    ("channel", "complaint"),
    [
        ('c = { address = 40001, unit = "1", stride = 32767 }', ""),
        ('c = { address = 40003, unit = "1", stride = 32767 }', "part 3 of it would be beyond the last register"),
        ('c = { address = 40001, type = "u32", unit = "1", stride = 1 }', "two parts would overlap"),
    ],
)
def test_parts_that_cannot_be_right(tmp_path: Path, channel: str, complaint: str) -> None:
    if complaint:
        assert complaint in refused(tmp_path, PARTS + channel)
    else:
        (tmp_path / "x.toml").write_text(PARTS + channel)
        assert profiles.load_file(tmp_path / "x.toml").parts == 3


@pytest.mark.parametrize(
    ("channels", "complaint"),
    [
        # Of one part with another's, although none overlaps in the first part.
        ('a = { address = 40001, unit = "1" }\nb = { address = 40101, unit = "1" }', "is part 2 of a: two parts would"),
        ('a = { address = 40001, unit = "1" }\nb = { address = 40201, unit = "1", stride = 0 }', "is part 3 of a"),
        ('a = { address = 40001, unit = "1", stride = 1 }\nb = { address = 40002, unit = "1", stride = 1 }', "part 2"),
        ('a = { address = 40001, unit = "1", scale_register = 40005 }\nb = { address = 40105, unit = "1" }', "part 2"),
        ('a = { address = 40001, unit = "1", plus = [{ address = 40003 }] }\nb = { address = 40103, unit = "1" }',
         "part 2 of a"),
        ('a = { address = 40001, unit = "1" }\n[controls]\nb = { address = 40101, unit = "1", min = 0, max = 1 }',
         "controls.b: with stride = 100 part 1 of it takes a register that is part 2 of a"),
        ('a = { address = 40001, unit = "1", stride = 0 }', "parts: does nothing: every channel has stride = 0"),
        # Values of one part that follow each other, and what all have in common.
        ('a = { address = 40001, unit = "1", stride = 2 }\nb = { address = 40002, unit = "1", stride = 2 }', ""),
        ('a = { address = 40001, unit = "W", scale_register = 40005 }\n'
         'b = { address = 40002, unit = "W", scale_register = 40005 }', ""),
        ('a = { address = 40001, unit = "1", mask = 1, stride = 0 }\n'
         'b = { address = 40001, unit = "1", mask = 2, stride = 0 }\nc = { address = 40002, unit = "1" }', ""),
    ],
)  # fmt: skip
def test_no_part_takes_a_register_of_another(tmp_path: Path, channels: str, complaint: str) -> None:
    if complaint:
        assert complaint in refused(tmp_path, PARTS + channels)
    else:
        (tmp_path / "x.toml").write_text(PARTS + channels)
        assert profiles.load_file(tmp_path / "x.toml").parts == 3


@pytest.mark.parametrize(
    "channels",
    [
        'thd_voltage_l1 = { address = 40001, unit = "%", exponent = -1 }',
        'power_limit = { address = 40001, unit = "%" }',
        'power = { address = 40001, unit = "kvar" }',
        'voltage_state = { address = 40001, unit = "1" }',
        'temperature_flow = { address = 40001, unit = "Cel" }',
        'flow_temperature = { address = 40001, unit = "K" }',
        'current_power = { address = 40001, unit = "W" }',
        'value_temperature = { address = 40001, unit = "V" }',
        'state_of_charge = { address = 40001, unit = "%" }',
        'energy_heat = { address = 40001, unit = "MJ" }',
        'energy_x = { address = 40001, type = "u32", unit = "Wh", factor = 5, exponent = 0, rollover = 20_000_000 }',
        'limit = { address = 40001, unit = "W" }\n[controls]\nx = { address = 40001, unit = "W", min = 0, max = 9 }',
        'bit = { address = 40001, type = "bits16", mask = 1, unit = "1" }\n'
        '[controls]\nx = { address = 40001, unit = "1", min = 0, max = 9 }',
        'number = { address = 40001, unit = "1" }\n[identity]\nserial_number = { address = 40001 }',
    ],
)
def test_what_can_be_right(tmp_path: Path, channels: str) -> None:
    (tmp_path / "x.toml").write_text(HEAD + channels)
    assert profiles.load_file(tmp_path / "x.toml").fields


def test_a_device_that_would_report_nothing(tmp_path: Path) -> None:
    assert "each has default = false" in refused(tmp_path, HEAD + V + '"V", default = false }')


def test_bits_of_one_register_and_the_registers_of_a_sum_may_be_channels_too(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(
        HEAD
        + """
a = { address = 40001, type = "bits16", mask = 0x0003, unit = "1" }
b = { address = 40001, type = "bits16", mask = 0x000C, unit = "1" }
whole = { address = 40002, unit = "W", plus = [{ address = 40003, unit = "kW" }] }
watts = { address = 40002, unit = "W" }
kilowatts = { address = 40003, unit = "kW" }

[controls]
limit = { address = 40002, unit = "W", min = 0, max = 100 }
"""
    )
    assert set(profiles.load_file(path).fields) == {"a", "b", "whole", "watts", "kilowatts"}


def test_lint_says_them_all_and_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.toml"
    path.write_text(HEAD + V + '"V", mask = 0 }\nfrequency = { address = 40002, unit = "V" }\n')
    assert main(["profile", "lint", str(path)]) == 1
    said = capsys.readouterr().err
    assert "x.toml:22: channels.voltage_l1: mask" in said and "x.toml:23: channels.frequency: unit" in said


def test_energy_under_another_name_is_no_counter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.toml"
    path.write_text(HEAD + 'energy = { address = 40001, unit = "Wh" }\n')
    assert main(["profile", "lint", str(path)]) == 0
    assert "energy is energy, but no counter: nothing watches it" in capsys.readouterr().out

"""Each profile reads, over Modbus/TCP, a simulated device whose table is another source's than the profile's own."""

import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import pytest
from modbus.test_commands import Background
from profiles.second_sources import PARTLY, TABLES
from wayside import profiles
from wayside.cli import main
from wayside.lab.plant import answer_for, serve_tcp
from wayside_wire import modbus

# In the SenML unit; written here anew, for a wrong factor in the gateway must not be right here as well.
SENML = {
    "V": (1, "V"), "A": (1, "A"), "W": (1, "W"), "kW": (1000, "W"), "VA": (1, "VA"), "kVA": (1000, "VA"),
    "var": (1, "var"), "kvar": (1000, "var"), "Hz": (1, "Hz"), "Wh": (3600, "J"), "kWh": (3_600_000, "J"),
    "kVAh": (3_600_000, "VAs"),
    "%": (Fraction(1, 100), "/"), "1": (1, "/"), "deg": (1, "deg"), "Cel": (1, "Cel"),
}  # fmt: skip
FUNCTIONS = {"holding": modbus.READ_HOLDING, "input": modbus.READ_INPUT}


class Row(NamedTuple):
    channel: str
    function: int
    address: int
    kind: str
    words_low_first: bool
    worth: Fraction
    unit: str


def rows(table: str) -> Iterator[Row]:
    for line in table.split("\n"):
        if not line.strip() or "=" in line:
            continue
        channel, area, address, kind, worth, unit = line.split()
        names = [channel.replace("{1,2,3}", str(phase)) for phase in (1, 2, 3)] if "{" in channel else [channel]
        plain = kind.removesuffix("lo")
        for number, name in enumerate(names):
            at = int(address) + number * int(plain[1:]) // 16
            yield Row(name, FUNCTIONS[area], at, plain, kind != plain, Fraction(worth), unit)


def content(row: Row, number: int) -> tuple[bytes, Fraction]:
    """Registers that no other row of the device has, and the value that they stand for; some below zero."""
    bits = int(row.kind[1:])
    is_negative = row.kind[0] in "sf" and number % 3 == 2 and ("power" in row.channel or "temperature" in row.channel)
    if row.kind[0] == "f":
        raw: Any = Fraction(1000 + 37 * number, 8) * (-1 if is_negative else 1)
        data = struct.pack(">f" if bits == 32 else ">d", float(raw))
    else:
        # Above the low word, so that two words in the wrong order are another number.
        raw = (3 << bits - 16 | 1) + 101 + 37 * number if bits > 16 else 201 + 37 * number
        raw = -raw if is_negative else raw
        data = raw.to_bytes(bits // 8, "big", signed=row.kind[0] == "s")
    if row.words_low_first:
        data = b"".join(data[at : at + 2] for at in range(len(data) - 2, -1, -2))
    return data, Fraction(raw) * row.worth


class Device:
    """Answers registers of its table, zeros for what lies between two, and exception 2 beyond."""

    def __init__(self, table: str):
        self.registers: dict[tuple[int, int], bytes] = {}
        self.values: dict[str, tuple[Fraction, str]] = {}
        for number, row in enumerate(rows(table)):
            data, value = content(row, number)
            factor, senml = SENML[row.unit]
            self.values[row.channel] = (value * factor, senml)
            for at in range(0, len(data), 2):
                key = (row.function, row.address + at // 2)
                assert key not in self.registers, f"{row.channel}: register {key} is used twice"
                self.registers[key] = data[at : at + 2]

        for line in table.split("\n"):
            if "=" in line:
                channel, _, plus, _, minus = line.split()
                value, senml = self.values[plus]
                self.values[channel] = (value - self.values[minus][0], senml)

    def read(self, function: int, address: int, count: int) -> bytes:
        known = [at for area, at in self.registers if area == function]
        if not known or address < min(known) or address + count > max(known) + 1:
            raise modbus.ModbusError(modbus.EXCEPTION, "no such register", modbus.ILLEGAL_ADDRESS)
        return b"".join(self.registers.get((function, at), b"\0\0") for at in range(address, address + count))

    def write(self, address: int, registers: bytes) -> None:
        raise modbus.ModbusError(modbus.EXCEPTION, "read only", modbus.ILLEGAL_FUNCTION)


NAMES = sorted(TABLES)
DEVICES = {unit: Device(TABLES[name]) for unit, name in enumerate(NAMES, 1)}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with Background(lambda: serve_tcp(answer_for(DEVICES))) as port:
        yield port


@pytest.mark.parametrize("name", NAMES)
def test_the_profile_reads_what_the_other_source_says(name: str, port: int, capsys: Any) -> None:
    unit = NAMES.index(name) + 1
    device = DEVICES[unit]
    fields = set(profiles.load(name).fields)
    assert device.values.keys() <= fields and (name in PARTLY or fields <= device.values.keys())
    words = ["read", f"tcp://127.0.0.1:{port}", "--unit", str(unit), "--profile", name, "--timeout-ms", "20000"]
    words[2:2] = device.values
    assert main(words) == 0
    told = [line.split() for line in capsys.readouterr().out.splitlines()]
    read = {words[0]: (Fraction(words[1]), words[2]) for words in told}
    assert read.keys() == device.values.keys()
    for channel, (value, senml) in device.values.items():
        assert read[channel][1] == senml
        assert abs(read[channel][0] - value) <= rounding(name, channel), channel


def rounding(name: str, channel: str) -> Fraction:
    """How far a reading may be from its registers: half of its last digit for a float, else not at all."""
    field = profiles.load(name).fields[channel]
    return Fraction(10) ** field.exponent * abs(field.factor) / 2 if field.kind == "f" else Fraction(0)


def test_forty_devices_and_more() -> None:
    assert len(profiles.names()) >= 60 and len(TABLES) >= 40

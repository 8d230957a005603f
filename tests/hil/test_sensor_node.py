"""Sensors on the emulated RP2040: chips on its I2C, a particle sensor on its UART, a contact, pulses and a voltage."""

import struct
from pathlib import Path
from typing import Any

import pytest
from emulated import built_image
from wayside_hil.chips import I2cChip, RegisterChip, Scd41
from wayside_hil.wayside.sensor_node import SensorNode

PULSES = {"kind": "pulses", "port": "contact2", "channel": "volume", "unit": "m3", "exponent": -3, "factor": 10}
LEVEL = {
    "kind": "analogue", "port": "analogue1", "channel": "level", "unit": "m", "exponent": -3, "low_mv": 400,
    "high_mv": 2000, "low": 0, "high": 5000, "broken_below_mv": 360,
}  # fmt: skip
SDS011 = bytes.fromhex("aac0d4043a0aa1601dab")  # 123.6 and 261.8 ug/m3, of the manual
PATIENCE_NS = 20_000_000_000


@pytest.fixture(scope="module")
def image() -> Path:
    return built_image("RP2040_METER")


def bme280() -> RegisterChip:
    """Trimmed as in the BMP280 datasheet's worked example: 25.08 degrees, 1006.53 hPa; humidity of a real chip."""
    first = struct.pack("<Hhh", 27504, 26435, -1000)
    first += struct.pack("<Hhhhhhhhh", 36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000) + b"\x00\x4b"
    second = struct.pack("<hB", 370, 0) + bytes([0x13, 0x2A, 0x03, 0x1E])
    return RegisterChip(xD0=b"\x60", x88=first, xE1=second, xF7=bytes.fromhex("655ac07eed007530"))


def expect(node: SensorNode, **values: Any) -> None:
    names = {name.replace("pm2_5", "pm2.5"): value for name, value in values.items()}
    said = lambda: {name: value for name, value in node.last().items() if name in names}  # noqa: E731
    try:
        node.world.until(lambda: said() == names, "the values", PATIENCE_NS)
    except AssertionError as error:
        raise AssertionError(f"{error}: {said()} instead of {names}") from None


def test_weather_parking_and_dust(image: Path) -> None:
    parking = RegisterChip(x00=struct.pack("<hhh", 100, 200, -300), x06=b"\x01")
    chips: dict[int, I2cChip] = {0x76: bme280(), 0x0D: parking}
    with SensorNode(image, chips) as node:
        node.set_level(1_200_000)
        node.dust.frame = SDS011
        rows = [
            {"kind": "bme280", "port": "i2c"},
            {"kind": "qmc5883l", "port": "i2c"},
            {"kind": "sds011", "port": "rs485", "warm_up_ms": 0},
            {"kind": "digital", "port": "contact1", "name": "door"},
            PULSES,
            LEVEL,
        ]
        node.provision(rows)
        expect(node, temperature=2508, pressure=100653, pm2_5=1236, pm10=2618, occupied=0, field_change=0)
        expect(node, door=0, volume=0)
        assert abs(int(str(node.last()["level"])) - 2500) <= 3  # a step of the converter is 0.8 mV, 2.5 mm
        parking.put(0, struct.pack("<hhh", 1000, 200, -300))
        for _ in range(3):
            node.world.run_for(node.meter.close_for(60_000_000) - node.world.now + 60_000_000)
        node.door.close()
        expect(node, occupied=1, field_change=900, volume=30, door=1)
        # What breaks is said to be broken, and nothing else is.
        chips.pop(0x76)
        node.dust.frame = None
        node.set_level(0)
        expect(node, temperature="no answer", pm10="no answer", level="broken wire", occupied=1, volume=30)
        chips[0x76] = bme280()
        expect(node, temperature=2508)
        node.gateway.check_chain()


def test_carbon_dioxide(image: Path) -> None:
    chips: dict[int, I2cChip] = {0x62: Scd41(612, 0x6667, 0x5EB9)}
    with SensorNode(image, chips) as node:
        node.provision([{"kind": "scd41", "port": "i2c", "warm_up_ms": 3000}])
        expect(node, co2="warming up", temperature="warming up", humidity="warming up")
        expect(node, co2=612, temperature=2500, humidity=3700)
        chips[0x62] = Scd41(700, 0x6667, 0x5EB9)  # it was without power: it has to be told to measure, and to warm up
        expect(node, co2="warming up")
        expect(node, co2=700)

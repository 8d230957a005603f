"""The simulated meter: deterministic, believable, and exact in its energy."""

import struct

import pytest
from wayside.lab.plant import Sdm630
from wayside_wire import modbus


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def value(meter: Sdm630, address: int) -> float:
    number: float = struct.unpack(">f", meter.read(modbus.READ_INPUT, address, 2))[0]
    return number


def test_same_seed_same_day() -> None:
    clock = Clock()
    one, two, other = Sdm630(7, clock), Sdm630(7, clock), Sdm630(8, clock)
    for _ in range(50):
        clock.now += 13
        assert one.read(4, 0, 80) == two.read(4, 0, 80)
    assert one.read(4, 0, 80) != other.read(4, 0, 80)


def test_reading_often_changes_nothing() -> None:
    clock = Clock()
    often, once = Sdm630(3, clock), Sdm630(3, clock)
    for _ in range(500):
        clock.now += 0.7
        often.read(4, 0, 2)
    assert often.read(4, 0x48, 4) == once.read(4, 0x48, 4)


def test_energy_is_the_sum_of_the_power() -> None:
    clock = Clock()
    meter = Sdm630(5, clock)
    counted = sum(meter.import_mws) - sum(meter.export_mws)
    before = (value(meter, 0x48), value(meter, 0x4A))
    for _ in range(3000):
        counted += sum(phase.active_mw for phase in meter.phases)
        clock.now += 1
        meter.advance()
        after = (value(meter, 0x48), value(meter, 0x4A))
        assert after >= before and after[1] >= before[1]
        before = after
    assert sum(meter.import_mws) - sum(meter.export_mws) == counted


def test_a_day_is_believable() -> None:
    clock = Clock()
    meter = Sdm630(2, clock, start_s=0)
    powers = []
    for _ in range(24 * 60):
        clock.now += 60
        powers.append(value(meter, 0x34))
        assert all(215 < value(meter, address) < 245 for address in (0, 2, 4))
        assert 49.9 < value(meter, 0x46) < 50.1
        # V times A is VA, and W and var are its legs, on every phase.
        for i in (0, 2, 4):
            assert value(meter, i) * value(meter, 6 + i) == pytest.approx(value(meter, 0x12 + i), rel=1e-5)
            legs = value(meter, 0x0C + i) ** 2 + value(meter, 0x18 + i) ** 2
            assert legs == pytest.approx(value(meter, 0x12 + i) ** 2, rel=1e-5)
    night, noon = powers[60:240], powers[11 * 60 : 15 * 60]
    assert min(night) > 0, "no export in the dark"
    assert sum(power < 0 for power in noon) > len(noon) / 2, "export most of a sunny noon"


@pytest.mark.parametrize(
    ("function", "address", "count", "code"),
    [(4, 0, 82, 3), (4, 0, 1, 3), (4, 1, 2, 2), (4, 0x17E, 2, 2), (1, 0, 2, 1), (3, 0, 2, 1)],
)
def test_what_the_meter_refuses(function: int, address: int, count: int, code: int) -> None:
    with pytest.raises(modbus.ModbusError) as caught:
        Sdm630(1, Clock()).read(function, address, count)
    assert caught.value.code == code

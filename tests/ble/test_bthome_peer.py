"""What our node encodes, read by the package that Home Assistant reads it with: every object id that we know."""

import pytest
from wayside_wire import bthome

pytest.importorskip("bthome_ble", reason="the package bthome-ble is not installed")
from bthome_peer import ADDRESS, values

KEY = bytes(range(16))


@pytest.mark.parametrize("number", sorted(bthome.MEASUREMENTS))
@pytest.mark.parametrize("sealed", [False, True])
def test_the_peer_reads_the_same(number: int, sealed: bool) -> None:
    name, unit, _, signed, factor, exponent = bthome.MEASUREMENTS[number]
    raw = 1 if unit == "/" else -80 if signed else 80  # 80: the peer rounds steps of 0.35 degrees
    address = bytes.fromhex(ADDRESS.replace(":", ""))
    objects = [(number, raw)]
    data = bthome.seal(objects, KEY, address, 5) if sealed else bthome.encode(objects)
    found = values(data, KEY if sealed else None)
    assert len(found) == 1, name
    if unit == "/":
        assert found == [True]
        return
    ours = raw * factor * 10.0**exponent
    # Pressure in hPa, energy in kWh, volumes in litres, distances in mm and so on: the same number up to their scale.
    ratio = float(found[0]) / ours
    scale = {"Pa": [0.01], "J": [1 / 3.6e6], "m3": [1, 1000, 1e6], "m": [1, 1000], "S/m": [1e4]}.get(unit, [1])
    assert min(abs(ratio / each - 1) for each in scale) < 1e-9, (name, found, ours)


def test_the_peer_knows_no_size_that_we_do_not() -> None:
    """An object of another size than its sender's would shift what stands behind it."""
    from bthome_ble.const import MEAS_TYPES

    sized = {number: row[2] for number, row in bthome.MEASUREMENTS.items()} | bthome._OTHER
    sized[bthome.PACKET_ID] = 1
    for number, kind in MEAS_TYPES.items():
        if number not in (*bthome._SIZED, 0x3B):  # 0x3B: a command's length is in it; it ends the reading
            assert sized.get(number) == kind.data_length, hex(number)

"""The package that Home Assistant reads BTHome with, as the independent decoder of what our node sends."""

import pytest

ble = pytest.importorskip("bthome_ble", reason="the package bthome-ble is not installed")
from bleak.backends.device import BLEDevice  # noqa: E402
from habluetooth import BluetoothServiceInfoBleak  # noqa: E402

ADDRESS = "54:48:E6:8F:80:A5"


def heard(data: bytes) -> BluetoothServiceInfoBleak:
    return BluetoothServiceInfoBleak(
        name="", address=ADDRESS, rssi=-60, manufacturer_data={}, source="",
        service_data={"0000fcd2-0000-1000-8000-00805f9b34fb": data}, service_uuids=[],
        device=BLEDevice(ADDRESS, "", {}), advertisement=None, connectable=False, time=0, tx_power=None,
    )  # fmt: skip


def values(data: bytes, key: bytes | None) -> list[float | bool]:
    device = ble.BTHomeBluetoothDeviceData(bindkey=key)
    assert device.supported(heard(data))
    update = device.update(heard(data))
    found = [
        each.native_value
        for id_, each in update.entity_values.items()
        if id_.key not in ("signal_strength", "packet_id")
    ]
    return found + [each.native_value for each in update.binary_entity_values.values()]

"""Modbus meters and inverters that the gateway polls itself.

`bus` owns one line or TCP endpoint and decides what goes out next; `device` knows one device's polls, failures and
pauses without any I/O; `link` moves bytes under the guard of wayside_wire; `endpoint` opens what a site file names.
Imports reading, clock, profiles and wayside_wire; daemon and cli import it.
"""

from .bus import Bus, Priority
from .device import Device, DeviceEvent, DeviceSettings
from .endpoint import open_link

__all__ = ["Bus", "Device", "DeviceEvent", "DeviceSettings", "Priority", "open_link"]

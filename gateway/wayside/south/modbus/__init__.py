"""Modbus meters and inverters that the gateway polls itself.

`bus` owns one line or TCP endpoint and decides what goes out next; `device` knows one device's polls, failures and
pauses without any I/O; `link` moves bytes under the guard of wayside_wire; `written` says what came of a write;
`endpoint` opens what a site file names; `proxy` lets another program read through a bus, on the Modbus/TCP `server`;
`discovery` looks after devices that describe themselves, `sunspec` finds out what they offer: `sunspec_chain` their
models, `sunspec_model` the channels of each; `watch` says what a bus owes that is down; `scan` and `sniff` are for the
technician.

Imports `profiles` and what everybody may; `kinds` and `cli` import it, and the simulated plants of `lab`.
"""

from .bus import ModbusBus, Priority
from .device import DeviceEvent, DeviceSettings, PolledDevice
from .endpoint import link_to, open_link
from .proxy import Proxy

__all__ = ["DeviceEvent", "DeviceSettings", "ModbusBus", "PolledDevice", "Priority", "Proxy", "link_to", "open_link"]

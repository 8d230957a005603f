"""The node application, the same files for every board.

A node polls meters, signs packs, keeps them in flash until the gateway has them, and sends them. One idea per module:
`clock`, `supervisor`, `last_resort` (it starts again when nobody hears it), `files`, `counters`, `keys`, `journal`,
`bus`, `meter`, `meter_task`, `packer`, `link`, `handshake`, `config`;
`app` wires them, `__main__` is the command line, of which all roles share `command_line`. A node on the air has
`radio_sensor` and `sensors/`, the board that hears it `radio`; `radio_app` wires both and is their command line. A
beacon has `radio_ble` (what it advertises), `bench` (what a technician may do there) and `ble_gatt` (aioble); `ble_app`
wires them.
`sensor_task` is for sensors on a node with a link.

A link that is a broker: `mqtt_port`, with `name_lookup`, `certificate_time` (what time it is for TLS) and `wifi`.

`slots` (of an ESP32, `otadata`) says which application a board starts, `trial` keeps the one that runs; `copies` are
numbers that outlive power cuts, `checked` is the check sum behind what is kept.

What the gateway may ask of a node: `manager` (who may), `management` (what), `config_store`, `config_trial`,
`report_log`, `selftest`; `judge` says whether the board can do what a configuration asks. `technician` is for the tool
that makes a node of a bare board; `roles` says which application a configuration is for.

Imports `wayside_wire`; `__main__`, `radio_app`, `ble_app` and `technician` alone import the native module
`wayside_native` and `board`, which is boards/<BOARD>/board.py. Nothing else in the project imports this package.
Clocks, ports, files and random numbers come in through constructors, so that every other module runs on CPython too.
"""

FIRMWARE = "wayside-node 0.1.0"
BUILT_MS = 1_761_955_200_000  # 2025-11-01: before this firmware was there; no clock that says less is right
SERVICE_MS = 788_400_000_000  # 25 years: longer than this firmware will be in use

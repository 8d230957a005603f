"""The node application, the same files for every board.

One idea per module: `clock`, `supervisor`, `files`, `counters`, `keys`, `journal`, `bus`, `meter`, `packer`, `link`,
`config`; `app` wires them and `__main__` is the command line. A node polls meters, signs packs, keeps them in flash until
the gateway has them, and sends them.

Imports `wayside_wire`, the native module `wayside_native` and `board` (boards/<BOARD>/board.py; only `app` and `__main__`
do). Nothing else in the project imports this package. Clocks, ports, files and random numbers come in through
constructors, so that every module but `__main__` runs on CPython too.
"""

FIRMWARE = "wayside-node 0.1.0"

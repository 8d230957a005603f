"""What a board has room for: one rule, by which a node refuses a configuration and the gateway does not make one.

How the bytes were measured, and what they leave free: decision 0129.
"""

from collections import namedtuple

Need = namedtuple("Need", ("meters", "channels", "terms", "sensors", "journals", "journal_bytes", "mqtt"))
"""Of a configuration. terms: of sums, of all channels together; journals: devices, one for each meter and one for all
sensors; journal_bytes: of each; mqtt: whether the link is a broker."""

Room = namedtuple("Room", ("heap", "flash"))
"""In bytes. heap: all of MicroPython's; flash: of the file system."""

# The virtual board has what its machine has, and other boards nobody has measured.
ROOMS = {
    "RP2040_METER": Room(246656, 1 << 20),
    "RP2040_RADIO": Room(246656, 1 << 20),
    "ESP32_METER": Room(172032, 0xF0000),
    "ESP32S3_SENSOR": Room(1 << 20, 0xB10000),
}

_BASE = 88000  # the application with its session; 30 KB of it for garbage, and for holes in which nothing fits
_MQTT = 69344  # Wi-Fi, TLS and a broker's connection: the heap of an ESP32 does not grow a second time beside them
# What lives on, and what another configuration like it takes while it is checked.
_METER = 7000
_CHANNEL = 1700
_TERM = 400
_SENSOR = 3000

_BLOCK = 4096
_STATE = 160 * 1024  # four configurations of 32 KiB (in force, before, failed, coming), key, counters, folders


def refusal(board: str, need) -> str:
    """Why the board called `board` has no room for this, and how much it has; empty when it has, or is not known."""
    room = ROOMS.get(board)
    if room is None:
        return ""
    heap = heap_bytes(need)
    if heap > room.heap:
        wanted = "%d meters with %d channels in all" % (need.meters, need.channels)
        if need.sensors:
            wanted += " and %d sensors" % need.sensors
        text = "%s want %d bytes of memory, %s has %d: %s"
        return text % (wanted, heap, board, room.heap, _fewer(need, room.heap))
    flash = _STATE + need.journals * journal_flash(need.journal_bytes)
    if flash > room.flash:
        most = (room.flash - _STATE) // journal_flash(need.journal_bytes)
        text = "journal_bytes: %d devices with %d each want %d bytes of flash, %s has %d: %d such devices fit"
        return text % (need.journals, need.journal_bytes, flash, board, room.flash, most)
    return ""


def heap_bytes(need) -> int:
    """What a running node takes, with another configuration of the same size on its way."""
    return _BASE + (_MQTT if need.mqtt else 0) + _SENSOR * need.sensors + _meters(need)


def _meters(need) -> int:
    return _METER * need.meters + _CHANNEL * need.channels + _TERM * need.terms


def journal_flash(journal_bytes: int) -> int:
    """Flash of one device's journal when it is full: eight segments, its folder, and what a change of both needs."""
    return (8 * -(-journal_bytes // (8 * _BLOCK)) + 4) * _BLOCK


def _fewer(need, most: int) -> str:
    """How many meters like these fit, or channels of one, or sensors."""
    rest = most - heap_bytes(need) + _meters(need)
    if not need.meters:
        return "%d sensors fit" % max(0, (rest + _SENSOR * need.sensors) // _SENSOR)
    fit = max(0, rest) * need.meters // _meters(need)
    return (
        "%d such meters fit" % fit if fit else "one meter with %d channels fits" % max(0, (rest - _METER) // _CHANNEL)
    )

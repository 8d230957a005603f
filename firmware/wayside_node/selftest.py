"""Looks at every part of the board that can be looked at from inside. Each check is a wayside_wire.selftest.Check."""

import gc
import os

from micropython import const
from wayside_wire.pack import GOOD
from wayside_wire.selftest import MAX_TEXT, Check
from wayside_wire.text import printable

from .bus import Bus
from .config import ConfigError
from .meter import Meter

_FREE_HEAP = const(40960)  # what the application takes at its peak on the smallest board, and some more
_BLOCK = const(4096)
_SLEEP_US = const(50000)
_LATE_US = const(200000)  # another task, or another process of the virtual board
_ASK = const(3)


def check_board(files, directory: str, urandom, identity, ed25519, time) -> list:
    """What every board has, whatever its application; `time` is the module. Takes half a second, and writes flash."""
    return [
        check_memory(),
        check_flash(files, directory, urandom),
        check_clock(time.ticks_us, time.ticks_diff, time.sleep_us),
        check_signature(identity, ed25519),
    ]


def check_memory() -> Check:
    """Enough heap, and a block of it keeps two opposite patterns."""
    gc.collect()
    free = gc.mem_free()
    block = bytearray(_BLOCK)
    for pattern in (0x55, 0xAA):
        for at in range(_BLOCK):
            block[at] = pattern
        if block.count(bytes([pattern])) != _BLOCK:
            return _check("memory", False, "a byte does not keep what was written to it")
    return _check("memory", free >= _FREE_HEAP, "%d bytes of heap free, %d needed" % (free, _FREE_HEAP))


def check_flash(files, directory: str, urandom) -> Check:
    """A block written to the file system is read back the same."""
    path = directory + "/selftest.tmp"
    data = urandom(256) * (_BLOCK // 256)
    try:
        files.make_directory(directory)
        files.replace(path, data)
        same = files.read(path) == data
        files.remove(path)
        free = free_storage(directory)
    except OSError as error:
        return _check("flash", False, "cannot write: %s" % error)
    return _check("flash", same, "%d bytes free" % free if same else "reads back other bytes than were written")


def free_storage(directory: str) -> int:
    """Bytes of the file system that are free."""
    facts = os.statvfs(directory)
    return facts[0] * facts[3]


def check_clock(ticks_us, ticks_diff, sleep_us) -> Check:
    """The clock goes, forward, and as fast as the sleep that it is compared with."""
    began = ticks_us()
    sleep_us(_SLEEP_US)
    took = ticks_diff(ticks_us(), began)
    return _check("clock", _SLEEP_US <= took < _SLEEP_US + _LATE_US, "%d us for a sleep of %d" % (took, _SLEEP_US))


def check_signature(identity, ed25519) -> Check:
    """RFC 8032 section 7.1, test 1; and the node's own key signs what its public key verifies, and nothing else."""
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    if ed25519.ed25519_public_key(seed) != public:
        return _check("signature", False, "RFC 8032 test 1 gives another public key")
    signature = identity.sign(b"self-test")
    if not ed25519.ed25519_verify(identity.public, b"self-test", signature):
        return _check("signature", False, "does not verify")
    if ed25519.ed25519_verify(identity.public, b"self-tesT", signature):
        return _check("signature", False, "verifies for another message")
    return _check("signature", True, "key " + identity.kid.hex())


def check_radio(open_modem) -> Check:
    """open_modem() finds its chip, and the chip takes its settings."""
    try:
        open_modem()
    except (ConfigError, OSError, ValueError) as error:
        return _check("radio", False, str(error))
    return _check("radio", True, "answers")


async def check_line(line, board, clock) -> Check:
    """Every meter of a config.BusPort answers. The application must not be running: the line has one master."""
    try:
        bus = Bus(line.baud, clock, board.driver(line.port))
        bus.attach(board.open_uart(line.port, line.baud, line.parity))
    except (OSError, ValueError) as error:
        return _check(line.port, False, "cannot be opened: %s" % error)
    found = []
    good = True
    for settings in line.meters:
        text = await _ask(Meter(settings, bus, line.baud, clock))
        good = good and text.endswith(" good")
        found.append("%s: %s" % (settings.device, text))
    dropped = sum(bus.guard.counts.values())
    if not good and dropped:
        found.append("%d answers that fit nothing" % dropped)
    return _check(line.port, good, "; ".join(found))


async def _ask(meter) -> str:
    reason = ""
    for _ in range(_ASK):
        readings = await meter.poll()
        good = len([reading for reading in readings if reading.quality == GOOD])
        if good:
            return "%d of %d readings good" % (good, len(readings))
        reason = reason or readings[0].reason
    return reason


def _check(name: str, good, text: str) -> Check:
    return Check(printable(name, MAX_TEXT), good, printable(text, MAX_TEXT))

"""Looks at every part of the board that can be looked at from inside. Each is a wayside_wire.selftest.SelfTestCheck."""

import gc
import os

from micropython import const
from wayside_wire import cbor, modbus
from wayside_wire.pack import GOOD
from wayside_wire.selftest import MAX_CHECKS, MAX_TEXT, SelfTestCheck
from wayside_wire.text import printable

from .bus import MeterBus
from .config import ConfigError
from .meter import Meter

_FREE_HEAP = const(40960)  # what the application takes at its peak on the smallest board, and some more
_BLOCK = const(4096)
_SLEEP_US = const(50000)
_LATE_US = const(200000)  # another task, or another process of the virtual board
_ASK = const(2)  # a single lost answer is no fault of the wiring
_NOT_OURS = (modbus.CRC, modbus.CUT, modbus.EXTRA, modbus.UNIT, modbus.FUNCTION, modbus.COUNT)
_SIZE = const(640)  # bytes of all checks; with head and signature they fit into one answer of the link


def check_board(files, directory: str, urandom, identity, ed25519, time) -> list:
    """What every board has, whatever its application; `time` is the module. Takes half a second, and writes flash."""
    return [
        check_memory(),
        check_flash(files, directory, urandom),
        check_clock(time.ticks_us, time.ticks_diff, time.sleep_us),
        check_signature(identity, ed25519),
    ]


def check_memory() -> SelfTestCheck:
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


def check_flash(files, directory: str, urandom) -> SelfTestCheck:
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


def check_clock(ticks_us, ticks_diff, sleep_us) -> SelfTestCheck:
    """The clock goes, forward, and as fast as the sleep that it is compared with."""
    began = ticks_us()
    sleep_us(_SLEEP_US)
    took = ticks_diff(ticks_us(), began)
    return _check("clock", _SLEEP_US <= took < _SLEEP_US + _LATE_US, "%d us for a sleep of %d" % (took, _SLEEP_US))


def check_signature(identity, ed25519) -> SelfTestCheck:
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


def check_radio(open_modem) -> SelfTestCheck:
    """open_modem() finds its chip, and the chip takes its settings."""
    try:
        open_modem()
    except (ConfigError, OSError, ValueError) as error:
        return _check("radio", False, str(error))
    return _check("radio", True, "answers")


async def check_line(line, board, clock) -> list:
    """A SelfTestCheck of every meter of a config.BusPort. The application must not run: the line has one master."""
    bus = MeterBus(line.baud, clock, board.driver(line.port), 10 if line.parity == "N" else 11, line.pause_ms)
    try:
        bus.attach(board.open_uart(line.port, line.baud, line.parity))
    except (OSError, ValueError) as error:
        return [_check(line.port, False, "cannot be opened: %s" % error)]
    found = []
    for settings in line.meters:
        found.append(await check_meter(settings, bus, line.baud, clock))
    return found


async def check_meter(settings, bus, baud: int, clock) -> SelfTestCheck:
    """The meter of a config.MeterSettings is asked now, by a Meter of its own: nothing read before counts."""
    dropped = _dropped(bus)
    meter = Meter(settings, bus, baud, clock)
    readings = []
    for _ in range(_ASK):
        try:
            readings = await meter.poll()
        except OSError as error:
            return _check(settings.device, False, "its port fails: %s" % error)
        if any([reading.quality == GOOD for reading in readings]):
            break
    check = check_readings(settings.device, readings)
    dropped = _dropped(bus) - dropped
    if check.good or not dropped:
        return check
    return _check(check.name, False, "%s; %d answers that fit nothing" % (check.text, dropped))


def _dropped(bus) -> int:
    return sum([bus.guard.counts.get(reason, 0) for reason in _NOT_OURS])


def check_readings(name: str, readings) -> SelfTestCheck:
    """What was read just now: how much of it is good, the first value, and what is wrong with the first that is bad."""
    good = [reading for reading in readings if reading.quality == GOOD]
    text = "%d of %d good" % (len(good), len(readings))
    if good:
        text += "; %s %s %s" % (good[0].channel, decimal(good[0].mantissa, good[0].exponent), good[0].unit)
    bad = [reading for reading in readings if reading.quality != GOOD]
    if bad:
        text += "; %s: %s" % (bad[0].channel, bad[0].reason or "uncertain") if good else ": " + bad[0].reason
    return _check(name, bool(good), text)


def decimal(mantissa: int, exponent: int) -> str:
    """mantissa * 10**exponent in digits, without a float."""
    if exponent >= 0:
        return str(mantissa * 10**exponent)
    digits = str(abs(mantissa))
    digits = "0" * (1 - exponent - len(digits)) + digits
    return ("-" if mantissa < 0 else "") + digits[:exponent] + "." + digits[exponent:]


def that_fit(checks: list) -> list:
    """As many as a report holds: all of them, or the bad ones first and the others together in the last."""
    if _fits(checks):
        return checks
    ordered = [each for each in checks if each.good is False] + [each for each in checks if each.good is not False]
    shown = ordered[: MAX_CHECKS - 1]
    while True:
        rest = ordered[len(shown) :]
        bad = len([each for each in rest if each.good is False])
        found = shown + [_check("others", not bad, "%d more, %d of them not good" % (len(rest), bad))]
        if _fits(found):
            return found
        shown.pop()


def _fits(checks: list) -> bool:
    return len(checks) <= MAX_CHECKS and len(cbor.encode([list(each) for each in checks])) <= _SIZE


def _check(name: str, good, text: str) -> SelfTestCheck:
    return SelfTestCheck(printable(name, MAX_TEXT), good, printable(text, MAX_TEXT))

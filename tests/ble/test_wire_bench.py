"""The bench's service and the Environmental Sensing Service on both interpreters: plain asserts, no pytest."""

import sys

sys.path.append(__file__.rsplit("/", 2)[0] + "/node")

from fakes import Time, files, scratch
from wayside_node.bench import Bench
from wayside_node.ble_config import check
from wayside_node.config import ConfigError
from wayside_node.counters import Counters
from wayside_node.manager import Manager
from wayside_wire import WireError, bench, command, environment, frame, link
from wayside_wire.lora_report import REASONS, ReportChannel
from wayside_wire.pack import BAD, GOOD, UNCERTAIN, Reading, key_id

GATEWAY, NODE = bytes(range(32)), b"node-kid"


def good(channel, unit, mantissa, exponent, quality=GOOD):
    return Reading(channel, unit, mantissa, exponent, quality, "", 0)


def bad(reason):
    return Reading("temperature", "Cel", None, 0, BAD, reason, 0)


def refused(function, *arguments):
    try:
        function(*arguments)
    except (WireError, ConfigError) as error:
        return str(error)
    raise AssertionError("not refused: %r" % (arguments,))


def test_a_value_comes_back_with_its_quality():
    for mantissa in (0, 1, -1, 2506, (1 << 63) - 1, -(1 << 63)):
        for exponent in (-24, -2, 0, 24):
            for quality in (GOOD, UNCERTAIN):
                data = bench.encode_value(good("t", "Cel", mantissa, exponent, quality))
                assert len(data) <= 20
                assert bench.decode_value(data) == (quality, mantissa, exponent, "")
    for reason in REASONS:
        assert bench.decode_value(bench.encode_value(bad(reason))) == (BAD, None, 0, reason)
    assert bench.decode_value(bench.encode_value(bad("on fire")))[3] == "other fault"
    assert bench.decode_value(bench.encode_value(good("t", "J", 1 << 63, 0)))[3] == "out of range"
    for data in (b"", b"\x00", bytes([GOOD, 0]), bytes([BAD, 200]), bytes([BAD, 0, 0]), bytes([9]) + bytes(10)):
        refused(bench.decode_value, data)
    assert bench.described(ReportChannel("pm2.5", "ug/m3", -1)) == "pm2.5 ug/m3"
    assert bench.described(ReportChannel("uv_index", "", 0)) == "uv_index"


def test_the_standard_characteristics_say_it_exactly_or_not_at_all():
    # GATT Specification Supplement: temperature 0.01 degrees, humidity 0.01 %, pressure 0.1 Pa, CO2 in ppm.
    for channel, unit, mantissa, exponent, number, data in (
        ("temperature", "Cel", 2506, -2, 0x2A6E, "ca09"),
        ("temperature", "Cel", -1, 0, 0x2A6E, "9cff"),
        ("humidity", "%RH", 505, -1, 0x2A6F, "ba13"),
        ("pressure", "Pa", 101325, 0, 0x2A6D, "02760f00"),
        ("co2", "ppm", 612, 0, 0x2B8C, "6402"),
    ):
        assert environment.number_of(channel, unit) == number
        said = environment.encode(number, good(channel, unit, mantissa, exponent))
        assert said == bytes.fromhex(data), channel
        value, reason = environment.decode(number, said)
        assert reason == "" and value * 10 ** (2 + environment.CHARACTERISTICS[number][4]) == mantissa * 10 ** (
            2 + exponent
        )
    for reading in (bad("warming up"), good("temperature", "Cel", 25061, -3), good("temperature", "Cel", 40000, -2)):
        assert environment.encode(0x2A6E, reading) == b"\x00\x80"
        assert environment.decode(0x2A6E, b"\x00\x80") == (None, "value is not known")
    assert environment.encode(0x2A6E, good("temperature", "Cel", -0x8000, -2)) == b"\x00\x80"
    assert environment.encode(0x2A6D, good("pressure", "Pa", -1, 0)) == b""  # it has no number for "not known"
    assert environment.decode(0x2A6D, b"") == (None, "0 bytes instead of 4")
    for ppm in (65534, 65535, 70000, -1):
        assert environment.encode(0x2B8C, good("co2", "ppm", ppm, 0)) == b"\xff\xff"
    assert environment.decode(0x2B8C, b"\xfe\xff") == (None, "out of range")
    assert environment.number_of("pm2.5", "ug/m3") is None
    assert environment.number_of("temperature", "K") is None


def test_every_characteristic_comes_back_at_its_edges():
    for number, (channel, unit, size, signed, exponent, unknown) in environment.CHARACTERISTICS.items():
        bits = 8 * size - (1 if signed else 0)
        for value in (0, 1, (1 << bits) - 3) + ((-1, 1 - (1 << bits)) if signed else ()):
            assert value != unknown
            data = environment.encode(number, good(channel, unit, value, exponent))
            raw = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
            if environment.decode(number, raw) == (None, "out of range"):
                assert unit in ("Cel", "%RH", "deg")
                assert data == (b"" if unknown is None else (unknown & (1 << 8 * size) - 1).to_bytes(size, "little"))
                continue
            assert len(data) == size and environment.decode(number, data) == (value, "")


class Stand:
    """A bench with its manager, a contact and a clock. `done` is what was commanded."""

    def __init__(self, after_start_ms=0, contact=True):
        self.time = Time()
        self.closed = False
        self.done = []
        counters = Counters(files(), scratch("bench") + "/counters")
        counters.create()
        verbs = {command.REBOOT: lambda: self.done.append("reboot")}
        manager = Manager(NODE, GATEWAY, self.verify, counters, verbs)
        self.bench = Bench(self.time.clock(), after_start_ms, (lambda: self.closed) if contact else None, manager)

    def verify(self, public, message, signature):
        return public == GATEWAY and signature == bytes(64)

    def command(self, number, signature=bytes(64), verb=command.REBOOT):
        wanted = command.Command(NODE, number, verb, [])
        raw = command.sign_command(wanted, key_id(GATEWAY), lambda message: signature)
        return frame.encode(link.encode(link.CommandMessage(raw)))


def answers(data):
    return [link.decode(message) for message in frame.FrameDecoder().feed(data)]


def test_off_by_default_on_by_contact_or_for_a_while():
    assert not Stand().bench.is_on()
    assert not Stand(contact=False).bench.is_on()
    stand = Stand(after_start_ms=60000)
    assert stand.bench.is_on()
    stand.time.advance(60000)
    assert not stand.bench.is_on()
    stand.closed = True
    assert stand.bench.is_on()
    stand.closed = False
    assert stand.bench.take(stand.command(1)) == b"" and not stand.done
    assert stand.bench.counts == {"writes while off": 1}


def test_only_what_the_gateway_signed_is_done_and_once():
    stand = Stand(after_start_ms=60000)
    stand.bench.begin()
    raw = stand.command(7)
    said = b""
    for at in range(0, len(raw), 20):  # as the radio brings it
        said += stand.bench.take(raw[at : at + 20])
    assert answers(said) == [link.CommandAnswer(7, command.OK, b"\xf6")] and stand.done == ["reboot"]
    assert answers(stand.bench.take(raw)) == [link.CommandAnswer(7, command.OK, b"\xf6")] and stand.done == ["reboot"]
    (again,) = answers(stand.bench.take(stand.command(7, bytes(63) + b"\x01")))
    assert again.status == command.REFUSED
    (old,) = answers(stand.bench.take(stand.command(6)))
    assert old.status == command.REPLAYED
    (other,) = answers(stand.bench.take(stand.command(8, verb=command.SELFTEST)))
    assert other.status == command.FAILED and b"role" in other.data
    # Noise, another message, half a command of somebody who went away.
    assert stand.bench.take(b"\x00\x01\x02\x00" + frame.encode(link.encode(link.TimeMessage(0, 0, 0)))) == b""
    stand.bench.take(raw[:30])
    stand.bench.begin()
    (last,) = answers(stand.bench.take(stand.command(9)))
    assert last.status == command.OK and stand.done == ["reboot"] * 2
    assert stand.bench.counts == {"connections": 2, "not a command": 1}


CONFIG = {"role": "beacon", "node": "kerb-7", "state": "/state", "sensors": [{"kind": "bme280", "port": "i2c"}]}


def test_the_configuration_of_a_beacon():
    settings = check(CONFIG)
    assert settings.bench is None and settings.key is None and settings.gateway is None
    assert settings.sensors == [("bme280", {"port": "i2c"})]
    more = dict(CONFIG)
    more.update({"key": "00" * 16, "gateway": "11" * 32, "bench": {"after_start_s": 300, "contact": "in0"}})
    settings = check(more)
    assert (settings.key, settings.gateway, settings.bench) == (bytes(16), b"\x11" * 32, (300000, "in0"))
    for key, value in (
        ("key", "00"), ("gateway", "zz" * 32), ("bench", {}), ("bench", {"after_start_s": -1}), ("bench", []),
        ("sensors", []), ("role", "meter"), ("open", True), ("report_ms", 1), ("node", ""), ("bench", {"button": "x"}),
    ):  # fmt: skip
        changed = dict(more)
        changed[key] = value
        assert key in refused(check, changed), key

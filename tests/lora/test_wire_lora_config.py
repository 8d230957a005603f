"""Configuration over the air and a node's status, on both interpreters: plain asserts, no pytest."""

from wayside_wire import WireError, lora
from wayside_wire import lora_config as wire
from wayside_wire.lora_report import AirProfile, ReportChannel

PROFILE = AirProfile(
    [ReportChannel("pm2.5", "ug/m3", -1), ReportChannel("pm10", "ug/m3", -1), ReportChannel("co2", "ppm", 0)]
)
FILE = wire.AirConfig(7, 8, None, None, None, None, None)
WHOLE = wire.AirConfig(300, 255, 900, 4, 9, ["pm2.5", "co2"], {"co2": 100})
SETTLED = wire.AirStatus(300, 7, bytes(range(8)), 7, wire.KEPT, 0, 0, 0)


def refused(function, *arguments):
    try:
        function(*arguments)
    except WireError:
        return
    raise AssertionError("not refused: %r" % (arguments,))


def cannot(function, *arguments):
    try:
        function(*arguments)
    except ValueError:
        return
    raise AssertionError("not refused: %r" % (arguments,))


def with_(config, **changes):
    names = ("version", "trial", "report_s", "sign_every", "sf", "channels", "thresholds")
    return wire.AirConfig(*[changes[name] if name in changes else getattr(config, name) for name in names])


def test_a_configuration_has_one_encoding():
    for config in (FILE, WHOLE, with_(FILE, version=0xFFFFFFFF, report_s=86400), with_(WHOLE, thresholds={})):
        payload = wire.encode_config(PROFILE, config)
        assert wire.decode_config(PROFILE, payload) == config
        assert wire.encode_config(PROFILE, wire.decode_config(PROFILE, payload)) == payload
        for size in range(len(payload)):
            refused(wire.decode_config, PROFILE, payload[:size])
        refused(wire.decode_config, PROFILE, payload + b"\x00")
        for bit in range(8 * len(payload)):
            changed = bytearray(payload)
            changed[bit >> 3] ^= 1 << (bit & 7)
            try:
                found = wire.decode_config(PROFILE, bytes(changed))
            except WireError:
                continue
            assert wire.encode_config(PROFILE, found) == bytes(changed)
    assert len(wire.encode_config(PROFILE, WHOLE)) == 12 and len(wire.encode_config(PROFILE, FILE)) == 3
    assert len(wire.digest_of(b"x")) == 8 and wire.digest_of(b"x") != wire.digest_of(b"y")


def test_what_no_node_could_do():
    for wrong in (
        {"version": 0}, {"version": 1 << 32}, {"trial": 0}, {"trial": 256}, {"report_s": 0}, {"report_s": 86401},
        {"sign_every": 0}, {"sign_every": 32}, {"sf": 6}, {"sf": 13}, {"channels": []}, {"channels": ["pm1"]},
        {"channels": ["co2", "pm2.5"]}, {"thresholds": {"pm1": 5}}, {"thresholds": {"co2": 0}},
        {"thresholds": {"co2": 1 << 63}}, {"channels": ["pm10"], "thresholds": {"co2": 5}},
    ):  # fmt: skip
        cannot(wire.encode_config, PROFILE, with_(FILE, **wrong))
    refused(wire.decode_config, PROFILE, b"\x07\x20\x08")  # a field that is not known
    refused(wire.decode_config, PROFILE, b"\x07\x08\x08\x08")  # a fourth channel
    refused(wire.decode_config, PROFILE, b"\x07\x04\x08\x06")


def test_status():
    rolled_back = wire.AirStatus(1, 0, b"", 3, wire.ROLLED_BACK, 4, 5, 0xFFFFFFFF)
    for status in (SETTLED, rolled_back, wire.AirStatus(0, 0, b"", 0, wire.NONE, 0, 0, 0)):
        payload = wire.encode_status(status)
        assert wire.decode_status(payload) == status
        for size in range(len(payload)):
            refused(wire.decode_status, payload[:size])
        refused(wire.decode_status, payload + b"\x00")
        refused(wire.decode_status, b"\x05" + payload[1:])
    assert len(wire.encode_status(SETTLED)) + lora.OVERHEAD == 35
    over = wire.AirStatus(1, 0, b"", 3, wire.ROLLED_BACK, 4, 1 << 40, 0)
    assert wire.decode_status(wire.encode_status(over)).busy == 0xFFFFFFFF
    for wrong in (
        wire.AirStatus(1, 7, b"", 0, 0, 0, 0, 0),
        wire.AirStatus(1, 0, bytes(8), 0, 0, 0, 0, 0),
        wire.AirStatus(1, 0, b"", 3, wire.NONE, 0, 0, 0),
        wire.AirStatus(1, 0, b"", 0, wire.REFUSED, 0, 0, 0),
    ):
        cannot(wire.encode_status, wrong)

"""The configuration of every role, walked: no value of another kind is taken for the one that belongs there."""

import json

from wayside_node import ble_config, config, radio_config
from wayside_signal import config as signal_config

ROW = ["voltage_l1", "V", -3, 4, 0, 2, "f", False, False, 3, 1, [7], 3, 0, "statistics"]
PROFILE = {
    "name": "meter", "max_registers": 80, "min_gap_ms": 5, "read_gaps": True, "step": 2, "channels": [ROW],
}  # fmt: skip
METER = {
    "device": "m", "port": "S1", "unit": 1, "profile": PROFILE, "baud": 9600, "parity": "E", "poll_ms": 1000,
    "report_ms": 10000, "timeout_ms": 500, "quiet_ms": 1000,
}  # fmt: skip
SENSOR = [{"kind": "bme280", "port": "I0"}]
NODE = {
    "node": "n", "state": "/s", "gateway": "11" * 32, "link": {"port": "S0", "baud": 115200}, "meters": [METER],
    "journal_bytes": 65536, "holdover_ms": 600000, "watchdog_ms": 8000, "trial_ms": 300000,
    "sensors": {"device": "d", "report_ms": 60000, "list": SENSOR},
}  # fmt: skip
MQTT = {
    "mqtt": "mqtts://h:8883", "topic": "wayside/s/nodes/n", "username": "u", "password": "p", "ca": "/ca.der",
}  # fmt: skip
BY_MQTT = dict(NODE)
BY_MQTT["link"] = MQTT
BEACON = {
    "role": "beacon", "node": "n", "state": "/s", "watchdog_ms": 8000, "key": "22" * 16, "report_ms": 10000,
    "sensors": SENSOR, "bench": {"after_start_s": 60, "contact": "C"}, "gateway": "11" * 32,
}  # fmt: skip
AIR = {"region": "EU868", "freq_khz": 868100, "sf": 7, "bw_hz": 125000}
RADIO = {
    "role": "radio", "state": "/s", "watchdog_ms": 8000, "radio": AIR, "chip": {},
    "link": {"port": "S0", "baud": 115200},
}  # fmt: skip
AIR_SENSOR = {
    "role": "sensor", "state": "/s", "watchdog_ms": 8000, "radio": AIR, "chip": {}, "network": 1, "node": 2,
    "device": "d", "listen_ms": 3000, "key": "22" * 16, "report_ms": 900000, "sign_every": 31,
    "journal_bytes": 65536, "holdover_ms": 86400000, "sensors": SENSOR,
}  # fmt: skip
PEER = {"port": "S0", "baud": 115200, "key": "11" * 32}
HEAD = {
    "node": "n", "state": "/s", "watchdog_ms": 1000, "lamps": "L", "inputs": 4, "matrix": {"file": "/m", "key": "k"},
    "controller": PEER, "monitor": {"port": "S1", "baud": 115200, "key": "33" * 32},
}  # fmt: skip
FILES = (
    (NODE, config.check), (BY_MQTT, config.check), (BEACON, ble_config.check),
    (RADIO, radio_config.check), (AIR_SENSOR, radio_config.check), (HEAD, signal_config.check),
)  # fmt: skip


def others(value):
    """What JSON can write in the place of `value`, of another kind."""
    if isinstance(value, bool):
        return (int(value), str(value).lower(), None, [], {})
    if isinstance(value, int):
        return (str(value), value + 0.0, bool(value), [value], {})
    if isinstance(value, str):
        return (1, True, [value], {"a": value})
    if isinstance(value, list):
        return (1, "a", {}, True)
    return (1, "a", [], True)


def places(value, way=()):
    """Every place in a decoded JSON value, with what stands there."""
    if way:
        yield way, value
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], way + (key,))
    elif isinstance(value, list):
        for index in range(len(value)):
            yield from places(value[index], way + (index,))


def changed(data, way, value):
    copy = json.loads(json.dumps(data))
    at = copy
    for part in way[:-1]:
        at = at[part]
    at[way[-1]] = value
    return copy


def test_nothing_is_taken_for_what_it_is_not():
    for data, check in FILES:
        check(data)
        for way, value in places(data):
            if way == ("sensors", 0, "port") or way == ("sensors", "list", 0, "port"):
                continue  # a driver takes its options by the same Table, when it is opened
            for other in others(value):
                try:
                    check(changed(data, way, other))
                except config.ConfigError:
                    continue
                raise AssertionError("%s: %r for %r" % (way, other, value))


def test_a_key_that_nobody_knows_is_refused_in_every_table():
    for data, check in FILES:
        for way, value in places(data):
            if not isinstance(value, dict) or way[-1] == "chip" or "kind" in value:
                continue
            try:
                check(changed(data, way + ("colour",), 1))
            except config.ConfigError as error:
                assert "colour" in str(error), error
                continue
            raise AssertionError("%s takes a colour" % (way,))

"""The configuration file: taken whole or refused with the key, what is wrong and what to write."""

import json

from fakes import scratch
from wayside_node import config

ROW = ["voltage_l1", "V", -3, 4, 0, 2, "f", False, False, 3, 1, [], None, 0, "statistics"]


def good():
    profile = {"name": "eastron-sdm630", "max_registers": 80, "step": 2, "channels": [list(ROW)]}
    meter = {"device": "meter-1", "port": "/dev/ttyS1", "unit": 1, "profile": profile}
    link = {"port": "/dev/ttyS0"}
    return {"node": "node-1", "state": "/state", "gateway": "11" * 32, "link": link, "meters": [meter]}


def second(**changes):
    data = good()
    meter = dict(good()["meters"][0])
    meter["device"] = "meter-2"
    meter["unit"] = 2
    meter.update(changes)
    data["meters"].append(meter)
    return data


def error(data):
    try:
        config.check(data)
    except config.ConfigError as error:
        return str(error)
    raise AssertionError("accepted")


def test_defaults():
    checked = config.check(good())
    assert (checked.journal_bytes, checked.holdover_ms, checked.watchdog_ms) == (65536, 600000, 8000)
    assert checked.link == ("/dev/ttyS0", 115200)
    (bus,) = checked.buses
    assert (bus.port, bus.baud, bus.parity) == ("/dev/ttyS1", 9600, "N")
    (meter,) = bus.meters
    assert (meter.poll_ms, meter.report_ms, meter.timeout_ms, meter.quiet_ms) == (1000, 10000, 500, 1000)
    assert meter.profile.fields[0].channel == "voltage_l1"
    assert meter.profile.kinds == {"voltage_l1": "statistics"}


def test_meters_on_one_port_share_a_bus():
    assert len(config.check(second()).buses) == 1
    assert len(config.check(second(port="/dev/ttyS2")).buses) == 2


def test_what_is_wrong_is_named():
    cases = (
        ("node", "", "node: ''; write a text"),
        ("node", "-x", "begins with a letter or digit"),
        ("state", None, "state: None; write a text"),
        ("journal_bytes", 100, "journal_bytes: 100; write a whole number from 16384"),
        ("watchdog_ms", 9000, "watchdog_ms: 9000; write a whole number from 1000 to 8388"),
        ("holdover_ms", True, "holdover_ms: True"),
        ("link", [], "link: write an object"),
        ("meters", [], "meters: write a list of one or more meters"),
        ("colour", 1, "colour: unknown key; remove it"),
    )
    for key, value, text in cases:
        data = good()
        data[key] = value
        assert text in error(data), error(data)
    for key in ("node", "state", "link", "meters"):
        data = good()
        del data[key]
        assert error(data) == key + ": is missing; add it"


def test_sensors_beside_meters_or_alone():
    sensors = {"device": "air-1", "list": [{"kind": "bme280", "port": "i2c"}]}
    data = good()
    assert config.check(data).sensors is None
    data["sensors"] = sensors
    assert config.check(data).sensors == ("air-1", 60000, [("bme280", {"port": "i2c"})])
    del data["meters"]
    assert config.check(data).buses == ()
    for changes, text in (
        ({"device": "a b"}, "sensors.device: 'a b'"),
        ({"device": "meter-1"}, "sensors.device: meter-1 is a meter's name"),
        ({"list": []}, "sensors: write a list of one or more sensors"),
        ({"list": ["bme280"]}, "sensors[0]: write"),
        ({"list": [{"kind": "sds011", "port": "/dev/ttyS1"}]}, "sensors: sds011: port: /dev/ttyS1 is the link"),
        ({"list": [{"kind": "sds011", "port": "/dev/ttyS0"}]}, "is the link's or a bus's"),
        ({"report_ms": 1}, "sensors.report_ms: 1; write"),
        ({"poll_ms": 1000}, "sensors.poll_ms: unknown key"),
    ):
        data = good()
        data["sensors"] = dict(sensors)
        data["sensors"].update(changes)
        assert text in error(data), error(data)


def test_what_is_wrong_with_a_meter_is_named():
    cases = (
        ("device", "a/b", "meters[0].device: 'a/b'; a name has"),
        ("unit", 248, "meters[0].unit: 248; write a whole number from 1 to 247"),
        ("parity", "X", 'meters[0].parity: \'X\'; write one of ["N", "E", "O"]'),
        ("port", "/dev/ttyS0", "is the link's"),
        ("report_ms", 500, "meters[0].report_ms: 500; write a whole number from 1000"),
        ("speed", 1, "meters[0].speed: unknown key"),
        ("profile", "sdm", "meters[0].profile: write an object"),
    )
    for key, value, text in cases:
        data = good()
        data["meters"][0][key] = value
        assert text in error(data), error(data)


def test_meters_that_cannot_share_a_line_are_named():
    assert "meters[1].device: meter-1 is there twice" in error(second(device="meter-1"))
    assert "meters[1].unit: 1 is taken on /dev/ttyS1 by meter-1" in error(second(unit=1))
    assert "meters[1].baud:" in error(second(baud=19200))
    assert "meters[1].baud:" in error(second(parity="E"))
    assert "different baud, parity or pause_ms" in error(second(pause_ms=20))


def test_every_column_of_a_channel_is_checked():
    wrong = ["", "a unit of volts", 25, 5, 65536, 0, "x", 0, None, 99, 0, [1.5], -1, -1, "sum"]
    for column, value in enumerate(wrong):
        data = good()
        data["meters"][0]["profile"]["channels"][0][column] = value
        assert "meters[0].profile.channels[0]" in error(data), column
    for unit in ("\u00b0C", "a\nb"):
        data = good()
        data["meters"][0]["profile"]["channels"][0][1] = unit
        assert "unit" in error(data)
    data = good()
    data["meters"][0]["profile"]["channels"] = [ROW[:-1]]
    assert "write a row of 15 columns" in error(data)
    data["meters"][0]["profile"]["channels"] = [ROW, ROW]
    assert "is there twice" in error(data)


def test_what_few_channels_need():
    term = ["", "", 0, 4, 2, 1, "u", False, False, 0, 1000, [], None, 0, "last"]
    more = [3, -5, [0, 1], [term]]
    data = good()
    row = ["energy", "J", 5, 4, 0, 3, "u", False, False, 0, 36, [], None, 0, "register", more]
    data["meters"][0]["profile"]["channels"] = [row]
    field = config.check(data).buses[0].meters[0].profile.fields[0]
    assert field.more[:3] == (3, -5, (0, 1)) and field.more.terms[0].factor == 1000
    for wrong, text in (
        ([], "more: write [divisor"),
        ([0, 0, [], []], "divisor and offset are whole numbers"),
        ([1, 0.5, [], []], "divisor and offset are whole numbers"),
        ([1, 0, [3], []], "words: write places from 0 to 2"),
        ([1, 0, [], [["x"]]], "more: terms: write a row of 15 columns"),
        ([1, 0, [], [["x"] + term[1:]]], "more: terms: channel: 'x' does not fit"),
        ([1, 0, [], [term[:4] + [3] + term[5:]]], "terms: address: is beyond the field's 3 registers"),
    ):
        row[15] = wrong
        assert text in error(data), error(data)


def test_a_file_is_named_in_its_errors():
    path = scratch("config") + "/node.json"
    for content, text in (("node = 1", "is not JSON"), ("[]", "the file: write an object"), ("{}", "node: is missing")):
        with open(path, "w") as file:
            file.write(content)
        try:
            config.load(path)
            raise AssertionError("accepted")
        except config.ConfigError as error:
            assert str(error).startswith(path + ": ") and text in str(error), str(error)
    with open(path, "w") as file:
        file.write(json.dumps(good()))
    assert config.load(path).node == "node-1"


def test_a_file_that_is_not_there():
    try:
        config.load("/nowhere/node.json")
        raise AssertionError("accepted")
    except config.ConfigError as error:
        assert "cannot be read" in str(error)


def test_a_node_that_knows_no_gateway_is_told_what_to_write():
    data = good()
    del data["gateway"]
    assert "flash --site" in error(data)
    for wrong in ("", "11" * 31, None, 7):
        data["gateway"] = wrong
        assert "64 hexadecimal digits" in error(data)


def test_what_statistics_and_differences_are_called_is_a_name_and_nobody_elses():
    def channels(*rows):
        data = good()
        profile = data["meters"][0]["profile"]
        profile["channels"] = [[name] + ROW[1:-1] + [kind] for name, kind in rows]
        return data

    long = "x" * 44
    config.check(channels((long, "last"), (long[1:], "statistics")))
    assert "too long for a name" in error(channels((long, "statistics")))
    assert "u.mean is there twice" in error(channels(("u", "statistics"), ("u.mean", "last")))
    assert "e.diff is there twice" in error(channels(("e.diff", "last"), ("e", "register")))
    data = good()
    data["meters"][0]["profile"]["resets"] = [{}]
    assert "resets: write a list of channels" in error(data)

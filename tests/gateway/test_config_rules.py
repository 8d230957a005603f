"""What one rule holds for, it holds for everywhere: channel names, things named twice, keys without effect, bounds."""

from pathlib import Path

import pytest
from wayside.site import config

METER = '[[bus]]\nname = "{bus}"\nendpoint = "{at}"\n[[bus.device]]\nname = "{name}"\nunit = 1\nprofile = "{profile}"\n'
POLLED = METER.format(bus="b", at="tcp://h:502", name="m", profile="eastron-sdm630")
DISCOVERED = METER.format(bus="b", at="tcp://h:502", name="m", profile="sunspec")
AIR = (
    '[[radio]]\nname = "r"\nport = "/dev/x"\nnetwork = 1\n[[radio.sensor]]\nname = "n"\ndevice = "d"\nnumber = 1\n'
    'key_file = "k"\nchannels = [{{name = "{}", unit = "V", exponent = 0}}, {{name = "b", unit = "V", exponent = 0}}]\n'
)
BEACON = '[[ble]]\n[[ble.environment]]\ndevice = "e"\naddress = "54:48:E6:8F:80:A5"\nchannels = {}\n'
ADAPTER = '[[adapter]]\ndevice = "a"\nkind = "w1_thermometer"\n[adapter.options]\nthermometers = {{{}}}\n'
FLOW = '[web]\n[[web.flow]]\nkind = "grid"\ndevice = "{}"\nchannel = "{}"\n'
ONE = "28-3c01d607ed5c"
TWICE = "is named twice"

REFUSED = {
    "polled": (POLLED + 'channels = ["voltage_l1", "voltage_l1"]', f'channel "voltage_l1" {TWICE}'),
    "discovered": (DISCOVERED + 'channels = ["a", "a"]', TWICE),
    "air": (AIR.format("b"), f'channels: channel "b" {TWICE}'),
    "air name": (AIR.format("Temp erature"), "a name has 1 to 48 letters"),
    "beacon": (BEACON.format('["temperature", "temperature"]'), f'channel "temperature" {TWICE}'),
    "beacon twice": (
        BEACON.format('["temperature"]') + '[[ble.sensor]]\ndevice = "s"\naddress = "54:48:e6:8f:80:a5"',
        'address "54:48:E6:8F:80:A5" is used twice',
    ),
    "adapter": (ADAPTER.format(f'a = "{ONE}", b = "{ONE}"'), f'thermometer "{ONE}" {TWICE}'),
    "adapter, too many": (ADAPTER.format(", ".join(f'c{i} = "28-{i:012x}"' for i in range(101))), "100"),
    "one endpoint": (
        POLLED + METER.format(bus="c", at="rtu+tcp://H", name="n", profile="eastron-sdm630"),
        'unit "1 at h:502" is used twice, also in bus[1].device[1].unit; two buses ask it',
    ),
    "one port": (
        METER.format(bus="b", at="rtu:///dev/ttyX", name="m", profile="eastron-sdm630")
        + METER.format(bus="c", at="rtu:///dev/./ttyX?baud=19200", name="n", profile="eastron-sdm630"),
        'port "/dev/ttyX" is used twice',
    ),
    "serial node": (
        '[[node]]\nname = "n"\nport = "/dev/x"\nca_file = "x"\ndevices = ["d"]',
        "ca_file: is for a broker",
    ),
    "mqtt node": (
        '[[node]]\nname = "n"\nport = "mqtts://h"\nbaud = 9600\ndevices = ["d"]',
        "baud: is for a serial port",
    ),
    "report": (POLLED + "report_ms = 86400001", "report_ms: 86400001"),
    "poll": (
        POLLED + "poll_ms = 99999999999999999999\nreport_ms = 99999999999999999999",
        "poll_ms: 99999999999999999999",
    ),
    "retention": (POLLED + '[[retention]]\ndevices = ["m"]\ndays = 99999999999999', "days: 99999999999999"),
    "flow": (
        POLLED + FLOW.format("m", "power_actve"),
        'web.flow[1].channel: unknown channel "power_actve"; did you mean',
    ),
    "flow, not chosen": (
        POLLED + 'channels = ["voltage_l1"]\n' + FLOW.format("m", "power_active"),
        "known: voltage_l1",
    ),
    "flow of a device that is asked": (
        DISCOVERED + 'channels = ["power_active"]\n' + FLOW.format("m", "voltage_l1"),
        "known: power_active",
    ),
    "flow of a beacon": (BEACON.format('["temperature"]') + FLOW.format("e", "power_active"), "known: temperature"),
    "a colon without a port": (POLLED.replace("tcp://h:502", "tcp://h:"), "write a port from 1 to 65535"),
    "port 0": (POLLED.replace("tcp://h:502", "rtu+tcp://h:0"), "write a port from 1 to 65535"),
    "a broker without a port": ('[[sink]]\nname = "s"\nkind = "mqtt"\nurl = "mqtt://h:"', "write a port from 1 to"),
    "a hook at port 0": ('[[sink]]\nname = "s"\nkind = "webhook"\nurl = "https://h:0/x"', "write a port from 1 to"),
    "an adapter of one device with a name": (
        ADAPTER.format(f'a = "{ONE}"').replace("device =", "name ="),
        'name: write device = "a" instead: w1_thermometer reads one device',
    ),
    "an adapter that has no broker": (
        ADAPTER.format(f'a = "{ONE}"').replace("[adapter.options]", 'url = "tcp://h"\n[adapter.options]'),
        "adapter[1].url: leave it out: w1_thermometer listens to no broker",
    ),
    "flow of a thermometer": (ADAPTER.format(f'a = "{ONE}"') + FLOW.format("a", "b"), 'unknown channel "b"; known: a'),
} | {
    f"adapter name {name!r}": (
        ADAPTER.format(f'"{name}" = "{ONE}"'),
        f"options.thermometers.{name}: a channel's name has",
    )
    for name in ("", "a b", "A", "x.min", "9", "y" * 41)
}


@pytest.mark.parametrize("what", REFUSED)
def test_is_refused_with_what_is_wrong(tmp_path: Path, what: str):
    text, why = REFUSED[what]
    path = tmp_path / "site.toml"
    path.write_text(f'[site]\nname = "test.example"\n{text}\n')
    with pytest.raises(config.SiteFileError) as refused:
        config.load(path)
    assert why in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        POLLED + FLOW.format("m", "power_active") + FLOW.format("m", "power_active.mean").replace("[web]\n", ""),
        DISCOVERED + FLOW.format("m", "whatever"),
        DISCOVERED + 'channels = ["power_active"]\n' + FLOW.format("m", "power_active"),
        DISCOVERED + "part = 2\n" + FLOW.format("m", "whatever"),
        '[[node]]\nname = "n"\nport = "/dev/x"\nbaud = 9600\ndevices = ["d"]\n' + FLOW.format("d", "power_active"),
        ADAPTER.format(f'top = "{ONE}"') + FLOW.format("a", "top"),
        METER.format(bus="b", at="tcp://h:502", name="m", profile="eastron-sdm630")
        + METER.format(bus="c", at="tcp://h:503", name="n", profile="eastron-sdm630"),
    ],
)
def test_is_taken(tmp_path: Path, text: str):
    path = tmp_path / "site.toml"
    path.write_text(f'[site]\nname = "test.example"\n{text}\n')
    config.load(path)

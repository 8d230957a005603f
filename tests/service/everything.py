"""A site file with a part of every kind, none of which reaches anybody."""

from pathlib import Path

from waiting import free_port

_EVERYTHING = """
[site]
name = "test.example"
[web]
listen = "127.0.0.1:{web}"
[log]
http = "127.0.0.1:{tiles}"
[remote]
url = "mqtt://127.0.0.1:1"
[[bus]]
name = "cabinet"
endpoint = "tcp://127.0.0.1:1"
proxy_port = {proxy}
[[bus.device]]
name = "meter-1"
unit = 1
profile = "eastron-sdm630"
[[bus.device]]
name = "charger-1"
unit = 2
profile = "heidelberg-energy-control"
[[actuator]]
device = "charger-1"
control = "current_limit"
fail_safe = 6
[[controller]]
name = "by-power"
kind = "threshold"
reads = {{ value = "meter-1 power_active" }}
asks = {{ load = "charger-1 current_limit" }}
options = {{ unit = "W", on_below = 1000, off_above = 9000, on = 16 }}
[[node]]
name = "node-1"
port = "/dev/wayside-none"
devices = ["meter-2"]
[[node]]
name = "node-2"
port = "mqtt://127.0.0.1:1"
devices = ["meter-3"]
[[radio]]
name = "roof"
port = "/dev/wayside-no-radio"
network = 7
[[radio.sensor]]
name = "air-1"
number = 1
device = "air"
key_file = "air.key"
channels = [{{ name = "co2", unit = "ppm", exponent = 0 }}]
[[ble]]
adapter = "hci9"
[[ble.environment]]
device = "shade"
address = "00:11:22:33:44:55"
channels = ["temperature"]
[[adapter]]
kind = "w1_thermometer"
device = "boiler"
options = {{ thermometers = {{ supply = "28-0316a2795bff" }}, folder = "/nowhere" }}
[[journal]]
name = "junction-7"
folder = "junction"
[[witness]]
name = "neighbour"
url = "http://127.0.0.1:1"
vkey = "witness.example.org+820fd8f3+BHm1Vi6P5lT5QHixEuipi6eQH4U65pW+1+DjkQutBJZk"
[[sink]]
name = "city"
kind = "mqtt"
url = "mqtt://127.0.0.1:1"
"""


def everything(folder: Path) -> tuple[Path, dict[str, int]]:
    """The site file, and the ports that its gateway listens at: web, tiles, proxy."""
    key = folder / "secrets" / "radio" / "air.key"
    key.parent.mkdir(parents=True)
    key.write_text(bytes(range(16)).hex())
    key.chmod(0o600)
    ports = {name: free_port() for name in ("web", "tiles", "proxy")}
    path = folder / "site.toml"
    path.write_text(_EVERYTHING.format(**ports))
    return path, ports

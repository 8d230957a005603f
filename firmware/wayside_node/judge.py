"""Whether this board has what a configuration asks for: what can be known before it is in force is refused then.

A board has PORTS, {"uart" and so on: {name: ...}} of what it has wires for; without it every name may be one.
"""

from wayside_wire import capacity

from .config import ConfigError, MqttLink, NodeConfig, need
from .config import check as check_node


def judged(board, files, check=check_node):
    """check(data) of a role's configuration that also looks at this board; ConfigError."""

    def look(data):
        config = check(data)
        judge(config, board, files)
        return config

    return look


def judge(config, board, files) -> None:
    """config: of any role, checked; ConfigError names what this board does not have, or has no room for."""
    lack = capacity.refusal(board.NAME, need(config)) if isinstance(config, NodeConfig) else ""
    if lack:
        raise ConfigError(lack)
    wiring = _Wiring(getattr(board, "PORTS", None))
    link = getattr(config, "link", None)
    if isinstance(link, MqttLink):
        _judge_network(link, files)
    elif link is not None:
        wiring.find("link.port: ", "uart", link.port)
    for line in getattr(config, "buses", ()):
        wiring.find("meters: port: ", "uart", line.port)
    bench = getattr(config, "bench", None)
    if bench is not None and bench.contact is not None:
        wiring.find("bench.contact: ", "pin", bench.contact)
    sensors = getattr(config, "sensors", None)
    if sensors:
        from .sensors.catalogue import open_sensors  # and the drivers: not for those who only read meters

        open_sensors(getattr(sensors, "rows", sensors), wiring, wiring, files, config.state)


def _judge_network(link, files) -> None:
    try:
        import socket  # noqa: F401  not on boards without a network
    except ImportError:
        raise ConfigError("link.mqtt: this board has no network; write link.port")
    if link.tls and not files.exists(link.ca):
        raise ConfigError("link.ca: %s is not there; put the file of the broker's authority there (DER)" % link.ca)


class _Wiring:
    """A board on which every sensor can be opened that has a port here, and does nothing; and its clock."""

    def __init__(self, ports):
        self._ports = ports

    def find(self, where: str, kind: str, port: str) -> None:
        """ConfigError when there is no such port."""
        if self._ports is None:
            return
        known = self._ports.get(kind, {})
        if port not in known:
            raise ConfigError("%s%s: this board has %s" % (where, port, ", ".join(sorted(known)) or "none of them"))

    def open_uart(self, port: str, baud: int, parity: str):
        self.find("port: ", "uart", port)

    def open_i2c(self, port: str):
        self.find("port: ", "i2c", port)

    def open_pin(self, port: str):
        self.find("port: ", "pin", port)
        return bool

    def open_adc(self, port: str):
        self.find("port: ", "adc", port)
        return int

    def now(self) -> int:
        return 0

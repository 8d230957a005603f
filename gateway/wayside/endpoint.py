"""Where a bus is: tcp://HOST:PORT, rtu+tcp://HOST:PORT or rtu:///dev/ttyUSB0?baud=9600&parity=N&stop=1.

Also where a server listens. The site file carries what is parsed here. Imports of the gateway `redact` only.
"""

from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from wayside.redact import redact

_MODBUS_PORT = 502

MQTT_3_1_1 = "version=3.1.1"
"""The one option of a broker's URL: ask it for nothing else (north.broker)."""


class TcpEndpoint(NamedTuple):
    """is_rtu: RTU frames in a stream, as serial servers speak, instead of Modbus/TCP."""

    host: str
    port: int
    is_rtu: bool
    text: str = ""  # as it is written


class SerialEndpoint(NamedTuple):
    """baud: bit/s; parity: N, E or O; stop: bits."""

    path: str
    baud: int
    parity: str
    stop: int
    text: str = ""  # as it is written


Endpoint = TcpEndpoint | SerialEndpoint


class Address(NamedTuple):
    """Where a server of the gateway listens; `host` without brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Manners(NamedTuple):
    """What a line needs beyond the standard, as the site file's [[bus]] says it.

    connect_delay_ms: silence after connecting; pause_ms: silence before each request; any_transaction and
    answers_as_unit_0: for Modbus/TCP gateways that do not return the request's transaction number or unit.
    """

    connect_delay_ms: int = 0
    pause_ms: int = 0
    any_transaction: bool = False
    answers_as_unit_0: bool = False


PLAIN = Manners()


def typed(text: str) -> str:
    """The endpoint that a technician means by a port such as /dev/ttyUSB0, by HOST[:PORT] or by an endpoint.

    ValueError: a port was typed without its folder.
    """
    if "://" in text:
        return text
    if text.startswith("/"):
        return f"rtu://{text}"
    if text.startswith("tty") or Path("/dev", text).exists():
        raise ValueError(f"{text}: is this the port /dev/{text}? Write its whole name")
    return f"tcp://{text}"


def parse(text: str) -> Endpoint:
    """What `text` names; ValueError says what to write instead."""
    try:
        url = urlsplit(text)
        port = url.port or _MODBUS_PORT
        options = {key: values[-1] for key, values in parse_qs(url.query, True, True).items()}
    except ValueError:  # its words are Python's
        raise ValueError(redact(f"{text} is not an endpoint: its host or port cannot be read")) from None
    if "@" in url.netloc:
        raise ValueError("a device has no users; write nothing before the host")
    if url.scheme in ("tcp", "rtu+tcp") and url.hostname and url.path in ("", "/"):
        _leave_none(options, text, "nothing after the port")
        return TcpEndpoint(url.hostname, port, url.scheme == "rtu+tcp", text)
    if url.scheme == "rtu" and url.path and not url.netloc:
        baud, parity, stop = options.pop("baud", "9600"), options.pop("parity", "N"), options.pop("stop", "1")
        _leave_none(options, text, "baud, parity, stop")
        if not (baud.isascii() and baud.isdigit()) or not 300 <= int(baud[:8]) <= 3_000_000:
            raise ValueError(f"baud={baud} in {redact(text)}: write a number such as 9600")
        if parity not in ("N", "E", "O"):
            raise ValueError(f"parity={parity} in {redact(text)}: write N, E or O")
        if stop not in ("1", "2"):
            raise ValueError(f"stop={stop} in {redact(text)}: write 1 or 2")
        return SerialEndpoint(url.path, int(baud), parity, int(stop), text)
    wanted = '"tcp://HOST:PORT", "rtu+tcp://HOST:PORT" or "rtu:///dev/ttyUSB0?baud=9600&parity=N"'
    raise ValueError(f"{redact(text)} is not an endpoint: write {wanted}")


def _leave_none(options: dict[str, str], text: str, known: str) -> None:
    if options:
        raise ValueError(f'unknown option "{min(options)}" in {redact(text)}; known: {known}')

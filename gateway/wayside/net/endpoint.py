"""Where a bus is: tcp://HOST:PORT, rtu+tcp://HOST:PORT or rtu:///dev/ttyUSB0?baud=9600&parity=N&stop=1.

Also where a broker is, and where a server listens. The site file carries what is parsed here. Imports `redact` only.
"""

import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from wayside.text.redact import redact

_MODBUS_PORT = 502
_BROKER_PORTS = {"mqtt": 1883, "mqtts": 8883}
_URL_TEXT = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*")  # RFC 3986 appendix A

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


class BrokerPlace(NamedTuple):
    """An MQTT broker. version: 3 (3.1.1) where nothing else is to be asked for, else None."""

    host: str
    port: int
    is_tls: bool
    username: str | None
    version: int | None
    text: str  # as it is written


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
        port = _port(url, _MODBUS_PORT)
        options = {key: values[-1] for key, values in parse_qs(url.query, True, True).items()}
    except _NoPortError as error:
        raise ValueError(redact(f"{text} is not an endpoint: {error}")) from None
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


class _NoPortError(ValueError):
    """A colon behind the host, and no port that there is."""


def _port(url: SplitResult, default: int) -> int:
    """The port of a URL, or the default; ValueError when it cannot be read, or says one that there is not."""
    if url.netloc.endswith(":") or url.port == 0:
        raise _NoPortError("write a port from 1 to 65535 behind the colon, or leave out the colon")
    return url.port or default


def split_url(text: str) -> SplitResult:
    """The parts of a URL, which is shown to many; ValueError says what to write instead, and shows none of it."""
    try:
        url = urlsplit(text)
        _port(url, 0)
    except _NoPortError:
        raise
    except ValueError:  # its text says a part of the URL, which may be a part of a password
        raise ValueError("not a URL: host or port cannot be read") from None
    if not _URL_TEXT.fullmatch(text):
        raise ValueError("not a URL: write other characters than letters, digits and -._~:/?#[]@!$&'()*+,;=% as %XX")
    if url.password is not None:
        raise ValueError("a URL is shown to many; put the password into a file and name it: password_file")
    return url


def parse_broker(text: str) -> BrokerPlace:
    """mqtt://[user@]host[:port], or mqtts:// for TLS; ValueError says what to write instead.

    "?version=3.1.1" behind it asks for nothing else: for a broker that does not answer to MQTT 5 at all.
    """
    url = split_url(text)
    if url.scheme not in _BROKER_PORTS or not url.hostname:
        raise ValueError('write "mqtt://HOST:PORT" or, with TLS, "mqtts://HOST:PORT"')
    if url.path not in ("", "/") or url.query not in ("", MQTT_3_1_1) or url.fragment:
        raise ValueError(f"nothing but ?{MQTT_3_1_1} may follow the port")
    port, user = url.port or _BROKER_PORTS[url.scheme], unquote(url.username) if url.username else None
    return BrokerPlace(url.hostname, port, url.scheme == "mqtts", user, 3 if url.query else None, text)


def _leave_none(options: dict[str, str], text: str, known: str) -> None:
    if options:
        raise ValueError(f'unknown option "{min(options)}" in {redact(text)}; known: {known}')

"""Where an MQTT broker is and how it is spoken to."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from urllib.parse import unquote, urlsplit

from wayside.endpoint import MQTT_3_1_1
from wayside.redact import redact

from .tls import Tls

_PORTS = {"mqtt": 1883, "mqtts": 8883}

_UNANSWERED = 2  # CONNECTs of MQTT 5 in a row: some brokers close, or say nothing, on a version that they do not know
_ASK_AGAIN_S = 600.0  # brokers are renewed


class Dialect:
    """Which version of MQTT a broker is asked for: 5, and 3 (3.1.1) while it does not answer to 5.

    One that refuses 5 in words needs no memory: it is asked for the other at once.
    """

    def __init__(self, clock: Callable[[], float] = monotonic):
        self._clock = clock
        self._unanswered = 0
        self._older_until = -1.0

    @property
    def version(self) -> int:
        return 3 if self._unanswered >= _UNANSWERED or self._clock() < self._older_until else 5

    def answered(self, version: int) -> None:
        self._older_until = self._clock() + _ASK_AGAIN_S if version == 3 and self._unanswered >= _UNANSWERED else -1.0
        self._unanswered = 0

    def unanswered(self, version: int) -> None:
        """The broker was reached, and closed the connection or was silent before it said anything."""
        self._unanswered = self._unanswered + 1 if version == 5 else 0
        self._older_until = -1.0


@dataclass(frozen=True)
class Broker:
    """An MQTT broker: address, credentials, TLS, times in seconds.

    version: 5, 3 (3.1.1), or None for 5 where the broker speaks it and 3.1.1 where it does not.
    """

    host: str
    port: int = 1883
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: Tls | None = None
    version: int | None = None
    keepalive_s: int = 30
    connect_s: float = 5.0
    dialect: Dialect = field(default_factory=Dialect, repr=False, compare=False)

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        username: str | None = None,
        password: str | None = None,
        tls: Tls | None = None,
        version: int | None = None,
    ) -> "Broker":
        """A broker from mqtt://[user@]host[:port] or mqtts://...; ValueError says what is wrong and what to write.

        "?version=3.1.1" behind it asks for nothing else: for a broker that does not answer to MQTT 5 at all.
        Passwords do not belong into URLs, which end up in logs and process lists; one is refused there.
        """
        parts = urlsplit(url)
        if parts.scheme not in _PORTS:
            raise ValueError(f"broker {redact(url)}: write mqtt://HOST:PORT, or mqtts://HOST:PORT for TLS")
        if parts.password is not None:
            raise ValueError(f"broker {redact(url)}: put the password into a file, not into the URL")
        if not parts.hostname:
            raise ValueError(f"broker {redact(url)}: the host is missing")
        if parts.path not in ("", "/") or parts.query not in ("", MQTT_3_1_1) or parts.fragment:
            raise ValueError(f"broker {redact(url)}: nothing but ?{MQTT_3_1_1} may follow the port")
        try:
            port = parts.port or _PORTS[parts.scheme]
        except ValueError:
            raise ValueError(f"broker {redact(url)}: the port is not a number up to 65535") from None
        if parts.scheme == "mqtt" and tls is not None:
            raise ValueError(f"broker {redact(url)}: certificates need mqtts://")
        return cls(
            parts.hostname,
            port,
            username or (unquote(parts.username) if parts.username else None),
            password,
            (tls or Tls()) if parts.scheme == "mqtts" else None,
            3 if parts.query else version,
        )

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"

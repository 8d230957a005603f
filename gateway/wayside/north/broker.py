"""Where an MQTT broker is and how it is spoken to."""

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from wayside.redact import redact

from .tls import Tls

_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True)
class Broker:
    """An MQTT broker: address, credentials, TLS, protocol version 3 (3.1.1) or 5, times in seconds."""

    host: str
    port: int = 1883
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: Tls | None = None
    version: int = 3
    keepalive_s: int = 30
    connect_s: float = 5.0

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        username: str | None = None,
        password: str | None = None,
        tls: Tls | None = None,
        version: int = 3,
    ) -> "Broker":
        """A broker from mqtt://[user@]host[:port] or mqtts://...; ValueError says what is wrong and what to write.

        Passwords do not belong into URLs, which end up in logs and process lists; one is refused there.
        """
        parts = urlsplit(url)
        if parts.scheme not in _PORTS:
            raise ValueError(f"broker {redact(url)}: write mqtt://HOST:PORT, or mqtts://HOST:PORT for TLS")
        if parts.password is not None:
            raise ValueError(f"broker {redact(url)}: put the password into a file, not into the URL")
        if not parts.hostname:
            raise ValueError(f"broker {redact(url)}: the host is missing")
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError(f"broker {redact(url)}: nothing may follow the port")
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
            version,
        )

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"

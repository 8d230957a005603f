"""Where an MQTT broker is and how it is spoken to."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from wayside.net.endpoint import BrokerPlace, parse_broker
from wayside.text.redact import redact

from .tls import Tls

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
    def at(
        cls,
        place: BrokerPlace,
        *,
        username: str | None = None,
        password: str | None = None,
        tls: Tls | None = None,
        version: int | None = None,
    ) -> "Broker":
        """The broker at `place`; ValueError: certificates for one that is spoken to without TLS."""
        if tls is not None and not place.is_tls:
            raise ValueError("certificates need mqtts://")
        tls = (tls or Tls()) if place.is_tls else None
        return cls(place.host, place.port, username or place.username, password, tls, place.version or version)

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
        """As at(), of a URL as it is written (endpoint.parse_broker); ValueError says what is wrong with it.

        Passwords do not belong into URLs, which end up in logs and process lists; one is refused there.
        """
        try:
            return cls.at(parse_broker(url), username=username, password=password, tls=tls, version=version)
        except ValueError as error:
            raise ValueError(f"broker {redact(url)}: {error}") from None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"

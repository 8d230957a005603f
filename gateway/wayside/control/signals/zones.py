"""Detector zones of radars and cameras by MQTT: each topic carries the number of vehicles in its zone, as decimal text.

What is no number is left out. A zone that says nothing for a while is silent, which the layers answer with recall: a
sensor therefore repeats itself at least every SILENCE_S.
"""

from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from urllib.parse import urlsplit

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from wayside.control.signals.detectors import Detector
from wayside.redact import redact

SILENCE_S = 5.0
_MOST_DIGITS = 4


class ZonesError(Exception):
    """The broker cannot be used; the text says what to write."""


class Zones:
    """The zones among `detectors`. `refused` counts messages that were no number."""

    def __init__(self, detectors: Iterable[Detector], monotonic: Callable[[], float]):
        self._names = {each.topic: each.name for each in detectors if each.topic}
        self._monotonic = monotonic
        self._lock = Lock()
        self._heard: dict[str, tuple[bool, float]] = {}
        self.refused = 0

    def take(self, topic: str, payload: bytes) -> None:
        """A message."""
        name = self._names.get(topic)
        if name is None or not payload.isdigit() or len(payload) > _MOST_DIGITS:
            self.refused += 1
            return
        with self._lock:
            self._heard[name] = int(payload) > 0, self._monotonic()

    def occupied(self) -> Mapping[str, bool | None]:
        """By detector; None: it is silent."""
        now = self._monotonic()
        with self._lock:
            heard = dict(self._heard)
        return {
            name: heard[name][0] if name in heard and now - heard[name][1] <= SILENCE_S else None
            for name in self._names.values()
        }

    def subscribe(self, url: str) -> Client:
        """A client in a thread of its own that keeps itself connected to the broker at `url`, mqtt://HOST:PORT."""
        parts = urlsplit(url)
        if parts.scheme != "mqtt" or not parts.hostname:
            raise ZonesError(f'{redact(url)}: write the broker of the detector zones as "mqtt://HOST:PORT"')
        client = Client(CallbackAPIVersion.VERSION2)
        client.on_connect = self._connected
        client.on_message = self._message
        client.reconnect_delay_set(1, 10)
        client.connect_async(parts.hostname, parts.port or 1883, keepalive=10)
        client.loop_start()
        return client

    def _connected(self, client: Client, *_: object) -> None:
        for topic in self._names:
            client.subscribe(topic)

    def _message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.take(message.topic, bytes(message.payload))

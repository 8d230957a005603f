"""Detector zones of radars and cameras by MQTT: each topic carries the number of vehicles in its zone, as decimal text.

What is no number is left out, and so is what the broker had retained: nobody knows when it was said. A message is
marked so only where a new subscription brings it, however it was published (MQTT 3.1.1 section 3.3.1.3). A zone that
says nothing for a while is silent, which the layers answer with recall: a sensor therefore repeats itself at least
every SILENCE_S.
"""

from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from urllib.parse import urlsplit

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from wayside.control.signals.detectors import Detector
from wayside.control.signals.inputs import InputPulses
from wayside.text.redact import redact

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
        self._heard: dict[str, float] = {}
        self._pulses = {name: InputPulses() for name in self._names.values()}
        self.refused = 0

    def take(self, topic: str, payload: bytes) -> None:
        """A message."""
        name = self._names.get(topic)
        if name is None or not payload.isdigit() or len(payload) > _MOST_DIGITS:
            self.refused += 1
            return
        with self._lock:
            self._heard[name] = self._monotonic()
            self._pulses[name].see(int(payload) > 0)

    def occupied(self) -> Mapping[str, bool | None]:
        """By detector, for one tick; None: it is silent. To be called once a tick: a short pulse fills one."""
        oldest = self._monotonic() - SILENCE_S
        with self._lock:
            return {
                name: pulses.tick() if self._heard.get(name, float("-inf")) >= oldest else None
                for name, pulses in self._pulses.items()
            }

    def subscribe(self, url: str) -> Client:
        """A client in a thread of its own that keeps itself connected to the broker at `url`, mqtt://HOST:PORT."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or 1883
        except ValueError:  # the port, or the brackets of an address
            host = None
        if not host or parts.scheme != "mqtt" or parts.username is not None or parts.path not in ("", "/"):
            raise ZonesError(
                f'{redact(url)}: write the broker of the detector zones as "mqtt://HOST:PORT"; it is asked without '
                "user and TLS, so let it listen on this machine or on a line of its own"
            )
        client = Client(CallbackAPIVersion.VERSION2)
        client.on_connect = self._connected
        client.on_message = self._message
        client.reconnect_delay_set(1, 10)
        client.connect_async(host, port, keepalive=10)
        client.loop_start()
        return client

    def _connected(self, client: Client, *_: object) -> None:
        for topic in self._names:
            client.subscribe(topic)

    def _message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        if not message.retain:
            self.take(message.topic, bytes(message.payload))

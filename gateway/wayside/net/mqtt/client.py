"""paho's client, where it does less than we need: it bounds nothing that comes, and knows only answers that it expects.

Both methods are of paho's own making; tests fail when a version of it works otherwise (test_too_large, test_brokers).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from .answers import Will
from .broker import Broker
from .inlet import Inlet

_PIECE = 64 * 1024  # bytes that are read at once

_SESSION_EXPIRY_S = 7 * 24 * 3600  # MQTT 5: how long a broker keeps a session that is not clean

_OTHER_VERSION = 1  # MQTT 3.1.1 section 3.2.2.3
_IDENTIFIER = 2


class Who(NamedTuple):
    """How a client shows itself: with `clean` False the broker keeps its session."""

    client_id: str
    clean: bool
    will: Will | None


class PahoClient(Client):
    """Behind an inlet. `on_old_connack` is given the code of a CONNACK that paho has no words for.

    `codes`: reason codes of PUBACKs by packet identifier, as the broker sent them.
    """

    def __init__(self, inlet: Inlet, on_old_connack: Callable[[int], None], **settings: Any) -> None:
        self._inlet = inlet
        self._on_old_connack = on_old_connack
        self.codes: dict[int, int] = {}
        super().__init__(CallbackAPIVersion.VERSION2, **settings)

    def _sock_recv(self, bufsize: int) -> bytes:
        """The one place where paho reads: a whole packet is asked of the socket at once."""
        if not len(self._inlet):
            data: bytes = super()._sock_recv(_PIECE)
            if not data:
                return b""
            self._inlet.feed(data)
            if not len(self._inlet):
                raise BlockingIOError  # all of it was passed over; the loop comes back when there is more
        return self._inlet.take(bufsize)

    def _handle_connack(self) -> MQTTErrorCode:
        """A broker that knows no MQTT 5 answers in its own format, which is a byte shorter (MQTT 3.1.1 section 3.2)."""
        packet = self._in_packet["packet"]
        is_old = len(packet) == 2
        if is_old and (self._protocol == MQTTProtocolVersion.MQTTv5 or packet[1] in (_OTHER_VERSION, _IDENTIFIER)):
            self._on_old_connack(packet[1])
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        code: MQTTErrorCode = super()._handle_connack()
        return code

    def _handle_pubackcomp(self, cmd: Any) -> MQTTErrorCode:
        """Brokers send codes that MQTT 5 section 3.4.2.1 does not list, such as 0x95; paho would end the connection."""
        packet = self._in_packet["packet"]
        if len(packet) > 2:
            self.codes[int.from_bytes(packet[:2], "big")] = packet[2]
            self._in_packet["packet"] = packet[:2]
            self._in_packet["remaining_length"] = 2
        code: MQTTErrorCode = super()._handle_pubackcomp(cmd)
        return code


def new_client(
    broker: Broker, version: int, who: Who, inlet: Inlet, on_old_connack: Callable[[int], None]
) -> PahoClient:
    """A client that is not connected; OSError when a certificate file cannot be used."""
    client = PahoClient(
        inlet,
        on_old_connack,
        client_id=who.client_id,
        clean_session=None if version == 5 else who.clean,
        protocol=MQTTProtocolVersion.MQTTv5 if version == 5 else MQTTProtocolVersion.MQTTv311,
        reconnect_on_failure=False,
        manual_ack=True,
    )
    client.connect_timeout = broker.connect_s
    client.max_inflight_messages_set(0)
    if broker.username is not None:
        client.username_pw_set(broker.username, broker.password)
    if broker.tls is not None:
        client.tls_set_context(broker.tls.context())
    if will := who.will:
        client.will_set(will.topic, will.payload, will.qos, will.retain)
    return client


def open_socket(client: PahoClient, broker: Broker, version: int, clean: bool, most: int | None) -> None:
    """Connect, blocking. `most`: bytes of a packet that the broker may send, None for no limit."""
    if version != 5:
        client.connect(broker.host, broker.port, broker.keepalive_s)
        return
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    if most is not None:
        properties.MaximumPacketSize = most
    properties.SessionExpiryInterval = 0 if clean else _SESSION_EXPIRY_S
    client.connect(broker.host, broker.port, broker.keepalive_s, clean_start=clean, properties=properties)

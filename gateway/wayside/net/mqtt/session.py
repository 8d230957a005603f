"""One MQTT connection, from CONNECT to its end, driven by asyncio. One that broke is not mended: make a new one.

paho speaks the protocol, `driver` gives it the event loop's eyes. Only name lookup, TCP connect and TLS handshake block
in paho, so they run in a thread of their own; from then on everything happens in the loop. Why so:
docs/decisions/0040-mqtt-client-in-the-event-loop.md. What a broker sends is bounded in size and, while nobody takes it,
in number: docs/decisions/0091-messages-that-are-too-large.md. MQTT 5 comes first, and what a broker says in it is
heeded; what an acknowledgement of 3.1.1 is worth, an echo shows:
docs/decisions/0111-what-an-acknowledgement-is-worth.md.
"""

import asyncio
import secrets
import ssl
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from wayside.net.far_side import FarSideRefused, Rejected, Unreachable
from wayside.runtime.threads import in_thread
from wayside.text.reason import reason

from . import answers
from .answers import Will
from .broker import Broker
from .client import PahoClient, Who, new_client, open_socket
from .driver import MqttDriver
from .echo import CannotListen, Echoes
from .inlet import Inlet, TooLarge

_MAX_HEADER = 5 + 2 + 2 + 1  # bytes of a PUBLISH beside topic and payload: fixed header, topic length, id, properties

_LARGEST = 268_435_455  # bytes that MQTT can count, section 2.1.4
_ANSWER_S = 60.0  # a broker that acknowledges nothing for so long is given up
_IN_FLIGHT = 100  # QoS 1 messages on their way to the broker, unless an MQTT 5 broker wants fewer

LARGEST_RECEIVED = 64 * 1024  # bytes of a packet from the broker, where nobody says otherwise
_OVERHEAD = 400  # bytes of a message in memory beside payload and topic
_HELD = 4  # times the largest packet: what may wait to be taken before no more is read


class Message(NamedTuple):
    """A message from the broker, which sends no more than a few until `MqttSession.acknowledge` was called for one."""

    topic: str
    payload: bytes
    mid: int
    qos: int


def _nobody(_told: TooLarge) -> None:
    """For who subscribes to nothing."""


class MqttSession:
    """`async with MqttSession(broker, client_id) as session:` raises Unreachable or FarSideRefused."""

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        clean: bool = True,
        largest: int = LARGEST_RECEIVED,
        on_too_large: Callable[[TooLarge], None] = _nobody,
        will: Will | None = None,
    ) -> None:
        """With `clean` False the broker keeps subscriptions and unacknowledged messages under `client_id`.

        Without a `client_id` one is made up here: some brokers want one.

        A message that makes a packet of more than `largest` bytes is not kept in memory: it is passed over,
        acknowledged, and `on_too_large` is told.
        """
        self._broker = broker
        self._client_id = client_id or f"wayside{secrets.token_hex(8)}"  # 23 letters, MQTT 3.1.1 section 3.1.3.1
        self._clean = clean
        self._will = will
        self._version = 5
        self._qos, self._may_retain = 1, True
        self._client: PahoClient
        self._loop: asyncio.AbstractEventLoop
        self._connected: asyncio.Future[None]
        self._end: asyncio.Future[None]
        self._window: asyncio.Semaphore
        self._largest = _LARGEST
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._topics: dict[int, str] = {}  # of messages without an answer
        self._echoes = Echoes(largest - _MAX_HEADER)
        self._listening: set[str] = set()  # topics that we subscribed to for the sake of our own messages
        self._messages: asyncio.Queue[Message | None] = asyncio.Queue()
        self._held = 0  # bytes in it
        self._largest_received = largest
        self._inlet: Inlet
        self._on_too_large = on_too_large
        self._driver: MqttDriver
        self._misc: asyncio.Task[None]

    async def __aenter__(self) -> "MqttSession":
        self._loop = asyncio.get_running_loop()
        dialect = self._broker.dialect
        self._version = self._broker.version or dialect.version
        while True:
            try:
                await self._connect()
            except answers.OtherMqttVersion:
                if self._broker.version:
                    raise FarSideRefused(f"{self._broker}: refused: speaks no MQTT 5") from None
                self._version = 3
            except answers.OtherWill as other:
                self._will = other.will
            else:
                break
        dialect.answered(self._version)
        self._misc = asyncio.create_task(self._driver.keep_alive())
        return self

    async def _connect(self) -> None:
        self._connected = self._loop.create_future()
        self._end = self._loop.create_future()
        self._inlet = Inlet(self._largest_received)
        self._messages = asyncio.Queue()  # in the old one stands the end of a try before
        broker, is_reached = self._broker, False
        try:
            self._client = self._new_client()
        except OSError as error:
            raise FarSideRefused(f"{broker}: {reason(error)}") from None
        self._driver = MqttDriver(self._client, self._inlet, self._end, self._has_room, self._pass_over, self._fail)
        try:
            async with asyncio.timeout(broker.connect_s):
                await in_thread(self._open_socket, self._driver.close)
                is_reached = True
                self._driver.attach()
                await self._connected
        except TimeoutError:
            self._driver.close()
            if is_reached:
                broker.dialect.unanswered(self._version)
            raise Unreachable(f"{broker}: no answer within {broker.connect_s:g} s") from None
        except ssl.SSLCertVerificationError as error:
            self._driver.close()
            raise FarSideRefused(
                f"{broker}: the broker's certificate is not accepted: {error.verify_message}"
            ) from error
        except (OSError, ValueError) as error:
            self._driver.close()
            raise Unreachable(f"{broker}: {reason(error)}") from error
        except BaseException as error:
            self._driver.close()
            if isinstance(error, Unreachable) and not isinstance(error, FarSideRefused):
                if self._will:
                    raise answers.OtherWill(answers.less_of(self._will)) from None
                broker.dialect.unanswered(self._version)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._misc.cancel()
        if not self._end.done() and not self._will:
            self._client.disconnect()
            self._client.loop_write()
        self._driver.close()
        self._fail("closed")

    @property
    def version(self) -> int:
        """5, or 3 for 3.1.1."""
        return self._version

    @property
    def qos(self) -> int:
        """At which messages are published: 1, or 0 where the broker takes no more, and acknowledges nothing."""
        return self._qos

    @property
    def will(self) -> Will | None:
        """What the broker has taken of the will that it was given."""
        return self._will

    @property
    def is_lost(self) -> bool:
        """Whether the connection has ended."""
        return self._end.done()

    async def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        """Send and wait for the PUBACK, where there is one. Raises Unreachable or Rejected.

        Not retained where the broker retains nothing.
        """
        size = len(payload) + len(topic.encode()) + _MAX_HEADER
        if size > self._largest:
            raise Rejected(f"{self._broker}: takes at most {self._largest} bytes, and this message has more")
        async with self._window:
            if self._end.done():
                raise self._ended()
            info = self._client.publish(topic, payload, qos=self._qos, retain=retain and self._may_retain)
            if not self._qos and info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
                return
            self._topics[info.mid] = topic
            try:
                await self._answer(info.rc, info.mid)
            finally:
                self._topics.pop(info.mid, None)

    async def publish_and_listen(self, topic: str, payload: bytes, within_s: float, retain: bool = False) -> bool:
        """As `publish`; whether the message then came back to us, as to everybody who may read the topic.

        What else comes on that topic is nobody's from then on. `within_s` comes on top of what the message took to
        the broker: on a slow link a large one takes as long back.
        """
        with self._echoes.listen(topic, payload) as came:
            if topic not in self._listening:
                try:
                    await self.subscribe(topic)
                except FarSideRefused:
                    await self.publish(topic, payload, retain)
                    return False
                except Unreachable as error:
                    raise CannotListen(str(error)) from None
                self._listening.add(topic)
            started = self._loop.time()
            await self.publish(topic, payload, retain)
            within_s += self._loop.time() - started
            await asyncio.wait([came, self._end], timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
            if self._end.done():
                raise self._ended()
            return came.done()

    async def lost(self) -> None:
        """Wait until the connection has ended, then raise Unreachable with the reason."""
        await asyncio.wait([self._end])
        raise self._ended()

    async def subscribe(self, topic_filter: str) -> None:
        """Subscribe at QoS 1 and wait for the SUBACK. Raises Unreachable, or FarSideRefused when the broker says no."""
        code, mid = self._client.subscribe(topic_filter, qos=1)
        await self._answer(code, mid)

    async def message(self) -> Message:
        """The next message; Unreachable when the connection has ended."""
        if self._messages.empty() and self._end.done():
            raise self._ended()
        message = await self._messages.get()
        if message is None:
            raise self._ended()
        self._held -= _size(message)
        self._driver.read_or_wait()
        return message

    def acknowledge(self, message: Message) -> None:
        """Tell the broker that `message` needs no redelivery."""
        self._client.ack(message.mid, message.qos)

    async def _answer(self, code: MQTTErrorCode, mid: int | None) -> None:
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS or mid is None or self._end.done():
            raise self._ended()
        answer = self._waiting[mid] = self._loop.create_future()
        try:
            async with asyncio.timeout(_ANSWER_S):
                await answer
        except TimeoutError:
            raise Unreachable(f"{self._broker}: has not answered within {_ANSWER_S:g} s") from None
        finally:
            self._waiting.pop(mid, None)

    def _ended(self) -> Unreachable:
        error = self._end.exception() if self._end.done() else None
        return Unreachable(str(error)) if error else Unreachable(f"{self._broker}: connection lost")

    # The connection's life

    def _new_client(self) -> PahoClient:
        """paho's client for this connection; OSError when a certificate file cannot be used."""
        who = Who(self._client_id, self._clean, self._will)
        client = new_client(self._broker, self._version, who, self._inlet, self._on_old_connack)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _open_socket(self) -> None:
        # Where somebody is to be told what is too large the broker must not drop it without a word.
        most = self._largest_received if self._on_too_large is _nobody else None
        open_socket(self._client, self._broker, self._version, self._clean, most)

    def _has_room(self) -> bool:
        return self._held <= _HELD * self._largest_received

    def _pass_over(self) -> None:
        while self._inlet.too_large:
            told = self._inlet.too_large.popleft()
            if told.qos:
                self._client.ack(told.mid, told.qos)
            if not self._echoes.take(told.topic, None):
                self._on_too_large(told)

    def _fail(self, reason: str) -> None:
        """End everything that waits for an answer."""
        error = Unreachable(f"{self._broker}: {reason}")
        for waiting in [self._connected, self._end, *self._waiting.values()]:
            if not waiting.done():
                waiting.set_exception(error)
                waiting.exception()  # looked at: nobody need be waiting
        self._messages.put_nowait(None)

    # paho's callbacks, all in the event loop's thread

    def _on_connect(
        self, _client: Client, _data: Any, _flags: ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        if self._connected.done():
            return
        if code.is_failure:
            self._connected.set_exception(answers.to_connect(str(self._broker), code, self._version, self._will))
            return
        # paho heeds none of these (MQTT 5 section 3.2.2.3).
        self._window = asyncio.Semaphore(min(_IN_FLIGHT, getattr(properties, "ReceiveMaximum", _IN_FLIGHT)))
        self._largest = getattr(properties, "MaximumPacketSize", _LARGEST)
        self._qos = min(1, getattr(properties, "MaximumQoS", 1))
        self._may_retain = bool(getattr(properties, "RetainAvailable", 1))
        self._connected.set_result(None)

    def _on_old_connack(self, code: int) -> None:
        if not self._connected.done():
            self._connected.set_exception(answers.to_old_connect(str(self._broker), code, self._version, self._will))

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, code: ReasonCode, _properties: Properties | None
    ) -> None:
        refusal = answers.to_message(str(self._broker), code.value, "")
        if isinstance(refusal, Rejected) and len(self._topics) == 1:  # else nobody knows of which message it is said
            [mid] = self._topics
            if (answer := self._waiting.get(mid)) and not answer.done():
                answer.set_exception(refusal)
        self._fail(f"connection lost ({code})")

    def _on_publish(self, _client: Client, _data: Any, mid: int, _code: ReasonCode, _properties: Properties) -> None:
        answer = self._waiting.get(mid)
        code = self._client.codes.pop(mid, 0)
        if answer is None or answer.done():
            return
        if code < 0x80:
            answer.set_result(None)
        else:
            answer.set_exception(answers.to_message(str(self._broker), code, self._topics.get(mid, "")))

    def _on_subscribe(
        self, _client: Client, _data: Any, mid: int, codes: list[ReasonCode], _properties: Properties | None
    ) -> None:
        answer = self._waiting.get(mid)
        if answer is None or answer.done():
            return
        if any(code.is_failure for code in codes):
            answer.set_exception(FarSideRefused(f"{self._broker}: subscription refused: {codes[0]}"))
        else:
            answer.set_result(None)

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        if self._echoes.take(message.topic, bytes(message.payload)):
            self._client.ack(message.mid, message.qos)
            return
        taken = Message(message.topic, bytes(message.payload), message.mid, message.qos)
        self._held += _size(taken)
        self._messages.put_nowait(taken)


def _size(message: Message) -> int:
    """About what it holds in memory."""
    return len(message.payload) + len(message.topic) + _OVERHEAD

"""A pair of MQTT topics as a line to the gateway: what the link writes is published, what is published can be read.

To the link it is a port that never blocks, like a UART. Each publication holds whole frames. Nothing is kept over a
lost connection: the journal has every pack until the gateway itself has acknowledged it.
"""

import asyncio

from micropython import const
from wayside_wire import mqtt
from wayside_wire.frame import MAX_FRAME

from .name_lookup import LookupFailed, look_up

_CONNECT_S = const(20)  # TCP, TLS and CONNACK together
_ANSWER_S = const(10)
_KEEPALIVE_S = const(30)
_FIRST_WAIT_MS = const(1000)
_LAST_WAIT_MS = const(60000)
_OUT = const(4)  # frames that wait for the socket; then the link waits
_IN = const(4096)  # bytes that wait for the link; then the broker waits
_READ = const(512)
_MAX_PACKET = const(2048)


class Lost(Exception):
    """The connection cannot be made or has ended; the text says why."""


class MqttPort:
    """write() and readinto() for wayside_node.link; run() keeps the connection."""

    def __init__(self, settings, name: str, clock, report, gate, jitter, name_servers, tls=None):
        """settings: config.MqttLink; name: the client's; gate: `async with` it flash may be written.

        jitter(limit): a random integer from 0 to below limit; name_servers(): (address, port) of each; tls: a
        CertificateTime, None for none.
        """
        self._settings = settings
        self._name = name
        self._clock = clock
        self._report = report
        self._gate = gate
        self._jitter = jitter
        self._name_servers = name_servers
        self._tls = tls
        self._address = None  # the last one that the broker's name had
        self._wait_ms = _FIRST_WAIT_MS
        self._connected = False
        self._out = []
        self._half = b""  # the frame that is being written
        self._in = b""
        self._said = ""
        self._left = []  # packets that came with one that was waited for
        self._heard_at = 0
        self._end = None
        self.on_connect = lambda: None

    # --- for the link ---

    def write(self, data: bytes):
        """How many bytes are taken: all of them, or 0 while there is no connection or the socket is slow."""
        if not self._connected or len(self._out) >= _OUT:
            return 0
        pieces = (self._half + data).split(b"\x00")
        self._half = pieces.pop()
        if len(self._half) > MAX_FRAME:
            self._half = b""
        for piece in pieces:
            if piece:
                self._out.append(piece + b"\x00")
        return len(data)

    def readinto(self, buffer):
        """How many bytes were put into `buffer`; None when there are none."""
        size = min(len(buffer), len(self._in))
        if not size:
            return None
        buffer[:size] = self._in[:size]
        self._in = self._in[size:]
        return size

    # --- the connection ---

    async def run(self, beat) -> None:
        """Connect, and again after every loss, with exponential back-off and full jitter.

        `beat` tells the supervisor that the task moves.
        """
        while True:
            beat()
            try:
                await self._connection(beat)
            except (Lost, OSError, ValueError, asyncio.TimeoutError) as error:  # ValueError: TLS, and what is not MQTT
                self._tell("%s: %s" % (self._settings.host, " ".join(str(error).split()) or "no answer"))
            finally:
                self._connected = False
                self._out = []
                self._half = b""
            await self._pause(self._jitter(self._wait_ms), beat)
            self._wait_ms = min(2 * self._wait_ms, _LAST_WAIT_MS)

    async def _pause(self, ms: int, beat) -> None:
        end = self._clock.now() + ms
        while self._clock.now() < end:
            beat()
            await self._clock.sleep_ms(min(500, max(1, end - self._clock.now())))

    def _tell(self, text: str) -> None:
        if text != self._said:  # a broker that is away for a day is told once
            self._said = text
            self._report("mqtt: " + text)

    async def _connection(self, beat) -> None:
        address = await self._look_up(beat)
        if self._tls is None:
            stream = await self._open(address, None)
        else:
            stream = await self._open_tls(address, self._tls, beat)
        reader, writer, decoder = stream
        try:
            self._connected = True
            self.on_connect()
            self._wait_ms = _FIRST_WAIT_MS
            self._said = ""
            await self._serve(reader, writer, decoder, beat)
        finally:
            self._connected = False
            writer.close()

    async def _look_up(self, beat) -> str:
        try:
            servers = self._name_servers()
            self._address = await look_up(self._settings.host, servers, self._clock, lambda: self._jitter(65536), beat)
        except LookupFailed as error:
            if self._address is None:
                raise Lost(str(error))  # while name servers are away, the broker is where it was
        return self._address

    async def _open_tls(self, address: str, tls, beat):
        tls.begin()
        try:
            try:
                return await self._open(address, tls.context)
            except (OSError, ValueError) as error:
                if not tls.once_more():
                    raise error
                beat()
                return await self._open(address, tls.context)
        except (OSError, ValueError) as error:
            tls.failed()
            raise error

    async def _open(self, address: str, context):
        """(reader, writer, decoder) of a connection that the broker has welcomed."""
        settings = self._settings
        if context is None:
            opening = asyncio.open_connection(address, settings.port)
        else:
            opening = asyncio.open_connection(address, settings.port, ssl=context, server_hostname=settings.host)
        reader, writer = await asyncio.wait_for(opening, _CONNECT_S)
        try:
            decoder = mqtt.PacketDecoder(_MAX_PACKET)
            await asyncio.wait_for(self._greet(reader, writer, decoder), _ANSWER_S)
        except BaseException:
            writer.close()
            raise
        return reader, writer, decoder

    async def _greet(self, reader, writer, decoder) -> None:
        settings = self._settings
        await _send(writer, mqtt.connect(self._name, _KEEPALIVE_S, settings.username, settings.password))
        self._left = []
        kind, _, body = await self._packet(reader, decoder)
        if kind != mqtt.CONNACK:
            raise Lost("the broker does not speak MQTT")
        refusal = mqtt.refusal(body)
        if refusal:
            raise Lost(refusal)
        await _send(writer, mqtt.subscribe(1, settings.topic + "/down"))
        while True:
            kind, flags, body = await self._packet(reader, decoder)
            if kind == mqtt.SUBACK:
                if body[2:3] != b"\x00":
                    raise Lost("the broker refuses the subscription to %s/down" % settings.topic)
                return
            self._take(kind, flags, body)

    async def _packet(self, reader, decoder):
        while not self._left:
            self._left = decoder.feed(await _receive(reader))
        return self._left.pop(0)

    async def _serve(self, reader, writer, decoder, beat) -> None:
        for packet in self._left:
            self._take(*packet)
        self._left = []
        self._end = None
        listening = asyncio.create_task(self._listen(reader, decoder))
        now = self._clock.now()
        self._heard_at = now
        pinged_at = now
        try:
            while self._end is None:
                beat()
                now = self._clock.now()
                if now - self._heard_at > 2000 * _KEEPALIVE_S:
                    raise Lost("silence")
                if now - pinged_at > 500 * _KEEPALIVE_S:
                    pinged_at = now
                    await _send(writer, mqtt.pingreq())
                while self._out:
                    frames = b"".join(self._out)
                    self._out = []
                    await _send(writer, mqtt.publish(self._settings.topic + "/up", frames))
                if self._tls is not None:
                    self._tls.connected()
                    if self._tls.keep_due():
                        async with self._gate:
                            self._tls.keep()
                await self._clock.sleep_ms(10)
            raise self._end
        finally:
            listening.cancel()

    async def _listen(self, reader, decoder) -> None:
        try:
            while True:
                data = await _receive(reader)
                self._heard_at = self._clock.now()
                for packet in decoder.feed(data):
                    self._take(*packet)
                while len(self._in) > _IN:
                    await self._clock.sleep_ms(10)
        except (Lost, OSError, ValueError) as error:
            self._end = error  # for _serve: a task that nobody awaits would only print it

    def _take(self, kind: int, flags: int, body: bytes) -> None:
        if kind == mqtt.PUBLISH:
            topic, payload = mqtt.published(flags, body)
            # QoS 0: of more than the link takes in time the rest is lost, as on a line.
            if topic == self._settings.topic + "/down" and len(self._in) <= _IN:
                self._in += payload


async def _send(writer, data: bytes) -> None:
    writer.write(data)
    await asyncio.wait_for(writer.drain(), _ANSWER_S)


async def _receive(reader) -> bytes:
    data = await reader.read(_READ)
    if not data:
        raise Lost("the broker closed the connection")
    return data

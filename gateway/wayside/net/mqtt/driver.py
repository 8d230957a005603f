"""The event loop's eyes for paho: its socket is written when it can be, and read while what was read is taken."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client

from .client import PahoClient
from .inlet import Inlet

_PACKETS = 100  # that are read before others have their turn


class MqttDriver:
    """Of one connection. Everything happens in the event loop's thread."""

    def __init__(
        self,
        client: PahoClient,
        inlet: Inlet,
        end: "asyncio.Future[None]",
        has_room: Callable[[], bool],
        on_read: Callable[[], None],
        on_garbage: Callable[[str], None],
    ) -> None:
        """inlet: of the client; end: done when the connection has ended; has_room: whether more may be read.

        on_read is called after each packet, on_garbage with the reason when what came is not MQTT.
        """
        self._client = client
        self._inlet = inlet
        self._end = end
        self._has_room = has_room
        self._on_read = on_read
        self._on_garbage = on_garbage
        self._loop = asyncio.get_running_loop()
        self.reads = False

    def attach(self) -> None:
        """Let the event loop read and write the socket that paho has opened."""
        client, handle = self._client, self._client.socket()
        if handle is None:
            raise ConnectionResetError("closed while connecting")
        client.on_socket_register_write = lambda _c, _u, sock: self._loop.add_writer(sock, self._write)
        client.on_socket_unregister_write = self._on_idle_socket
        client.on_socket_close = self._on_socket_close
        if isinstance(handle, socket.socket):
            # Else the last part of a batch waits for the acknowledgement of the part before it.
            handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.read_or_wait()
        client.loop_write()  # asks for the writer itself if something is left

    def close(self) -> None:
        """Close the socket, where there is one."""
        handle = self._client.socket()
        if handle is not None and handle.fileno() >= 0:
            self._on_socket_close(self._client, None, handle)
            handle.close()
        # paho closes it once more when it is collected; the loop would be asked about a socket that is no more.
        self._client.on_socket_close = self._client.on_socket_unregister_write = None

    def read_or_wait(self) -> None:
        """Read while what was read is taken; else the broker waits, as it does for who is slow."""
        handle = self._client.socket()
        if handle is None or self._end.done():
            return
        reads = self._has_room()
        if reads and not self.reads:
            self._loop.add_reader(handle, self._read)
            if self._has_read_ahead():
                self._loop.call_soon(self._read)
        elif self.reads and not reads:
            self._loop.remove_reader(handle)
        self.reads = reads

    async def keep_alive(self) -> None:
        """Ping when it is time to; paho's on_disconnect is called when the broker does not answer."""
        while not self._end.done():
            self._client.loop_misc()
            await asyncio.sleep(1)

    def _read(self) -> None:
        client = self._client
        if self._end.done():
            return
        try:
            for _ in range(_PACKETS):
                client.loop_read()
                self._on_read()
                self.read_or_wait()
                if not (self.reads and self._has_read_ahead()):
                    return
            self._loop.call_soon(self._read)
        except Exception as error:
            # paho raises whatever its parser happens to meet in bytes that are not MQTT.
            self.close()
            self._on_garbage(f"sent what is not MQTT ({error})")

    def _has_read_ahead(self) -> bool:
        """Whether there is more that does not wake the event loop: a TLS record may hold several packets."""
        handle = self._client.socket()
        if handle is None:
            return False
        return len(self._inlet) > 0 or (isinstance(handle, ssl.SSLSocket) and handle.pending() > 0)

    def _write(self) -> None:
        self._client.loop_write()

    def _on_socket_close(self, _client: Client, _data: Any, handle: Any) -> None:
        self.reads = False
        self._loop.remove_reader(handle)
        self._loop.remove_writer(handle)

    def _on_idle_socket(self, _client: Client, _data: Any, handle: Any) -> None:
        self._loop.remove_writer(handle)

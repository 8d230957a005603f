"""A notify socket of our own (sd_notify(3)): what a service tells its manager."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Manager:
    """The service manager's end of the notify socket."""

    def __init__(self, address: str):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.setblocking(False)
        self.heard: list[str] = []

    def close(self) -> None:
        self._socket.close()

    def listen(self) -> list[str]:
        """What came since the last time."""
        came = []
        while True:
            try:
                came.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                self.heard += came
                return came


@contextmanager
def manager(folder: Path) -> Iterator[Manager]:
    made = Manager(str(folder / "notify"))
    try:
        yield made
    finally:
        made.close()

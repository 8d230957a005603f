"""Tells systemd how the service is (sd_notify(3)): one datagram to the socket that NOTIFY_SOCKET names.

Without such a socket nothing is told and nothing is missing. Imports nothing of the gateway.
"""

import os
import socket
from collections.abc import Mapping


class Notifier:
    """The service manager's ear. A message that cannot be delivered is dropped: the service must not wait for it."""

    def __init__(self, environment: Mapping[str, str]):
        address = environment.get("NOTIFY_SOCKET", "")
        # A leading @ stands for the zero byte of an abstract address (unix(7)).
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if address else None
        if self._socket:
            self._socket.setblocking(False)
        self.watchdog_s = self._watchdog_s(environment)
        """Seconds within which the manager wants a sign of life; None when it wants none."""

    @staticmethod
    def _watchdog_s(environment: Mapping[str, str]) -> float | None:
        # sd_watchdog_enabled(3): the variables are for the process that WATCHDOG_PID names, if it names one.
        usec = environment.get("WATCHDOG_USEC", "")
        if not usec.isdigit() or not int(usec):
            return None
        return int(usec) / 1e6 if environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid()) else None

    def ready(self) -> None:
        self._tell("READY=1")

    def stopping(self) -> None:
        self._tell("STOPPING=1")

    def alive(self) -> None:
        self._tell("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._tell("STATUS=" + text.replace("\n", " "))

    def _tell(self, message: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError:
            return


NOBODY = Notifier({})

"""Serial ports, and in words what keeps one from being opened or has taken it away.

Imports nothing of the gateway.
"""

import errno
import os
import termios
from typing import Any

import serial

_WHAT_TO_DO = {
    errno.ENOENT: "there is no such port; plug it in and look at: ls /dev/serial/by-id",
    errno.EACCES: "this user may not; add it to the group that owns the port, on Debian dialout",
    errno.EPERM: "this user may not; add it to the group that owns the port, on Debian dialout",
    errno.EAGAIN: "another program has it; stop that one first. It is named by: sudo fuser -v {path}",
    errno.EBUSY: "another program has it; stop that one first. It is named by: sudo fuser -v {path}",
    errno.EISDIR: "this is a folder; write the port itself, such as /dev/ttyUSB0",
    errno.ENOTTY: "this is no serial port",
    errno.EIO: "its other end is gone; plug it in again",
}


def open_port(path: str, baud: int, **settings: Any) -> serial.Serial:
    """The port at `path`, raw and for nobody else; it does not block. OSError says what to do.

    settings: of serial.Serial, such as parity and stopbits.
    """
    try:
        port = serial.Serial(path, baud, timeout=0, exclusive=True, **settings)
        # pyserial asks for reads that return at once with nothing: "nothing yet" and "hung up" would look the same.
        attributes = termios.tcgetattr(port.fileno())
        attributes[6][termios.VMIN] = 1
        termios.tcsetattr(port.fileno(), termios.TCSANOW, attributes)
        return port
    except termios.error as error:
        asked = ", ".join(f"{key} {value}" for key, value in {"baud": baud, **settings}.items())
        raise OSError(f"{path} cannot be opened: its adapter refuses {asked} ({error.args[-1]})") from None
    except (OSError, ValueError) as error:  # a speed that the driver refuses is a ValueError
        number = getattr(error, "errno", None) or 0
        why = _WHAT_TO_DO.get(number, "").format(path=path) or (os.strerror(number) if number else error)
        raise OSError(f"{path} cannot be opened: {why}") from None


def gone(error: OSError | None) -> str:
    """In words that an open port is gone; error: what a read or a write said, None at its end."""
    number = error.errno if error else errno.EIO
    return f"the port is gone: {_WHAT_TO_DO.get(number or 0) or (os.strerror(number) if number else error)}"

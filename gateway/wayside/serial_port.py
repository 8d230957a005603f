"""Serial ports, and in words what keeps one from being opened. Imports nothing of the gateway."""

import errno
import os
import termios
from typing import Any

import serial

_WHAT_TO_DO = {
    errno.ENOENT: "there is no such port; plug it in and look at: ls /dev/serial/by-id",
    errno.EACCES: "this user may not; add it to the group that owns the port, on Debian dialout",
    errno.EPERM: "this user may not; add it to the group that owns the port, on Debian dialout",
    errno.EAGAIN: "another program has it; stop that one first",
    errno.EBUSY: "another program has it; stop that one first",
    errno.EISDIR: "this is a folder; write the port itself, such as /dev/ttyUSB0",
    errno.ENOTTY: "this is no serial port",
    errno.EIO: "its other end is gone; plug it in again",
}


def open_port(path: str, baud: int, **settings: Any) -> serial.Serial:
    """The port at `path`, raw and for nobody else; reads return at once. OSError says what to do.

    settings: of serial.Serial, such as parity and stopbits.
    """
    try:
        return serial.Serial(path, baud, timeout=0, exclusive=True, **settings)
    except termios.error as error:
        asked = ", ".join(f"{key} {value}" for key, value in {"baud": baud, **settings}.items())
        raise OSError(f"{path} cannot be opened: its adapter refuses {asked} ({error.args[-1]})") from None
    except (OSError, ValueError) as error:  # a speed that the driver refuses is a ValueError
        number = getattr(error, "errno", None) or 0
        why = _WHAT_TO_DO.get(number) or (os.strerror(number) if number else error)
        raise OSError(f"{path} cannot be opened: {why}") from None

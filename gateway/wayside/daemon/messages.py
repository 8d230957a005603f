"""Where messages go: into systemd's journal with fields when it started us, as plain text to stderr otherwise.

The journal's native protocol (systemd, JOURNAL_NATIVE_PROTOCOL): one datagram a message, a field a line; a value with
line breaks after its length. Fields beside MESSAGE and PRIORITY: WAYSIDE_PART is the task that speaks ("bus cabinet",
"sink city"), WAYSIDE_DEVICE the device that it speaks of, where there is one. Imports `supervise`, `printable` and
`redact`.
"""

import logging
import os
import socket
import struct
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

from wayside.runtime.supervise import PART
from wayside.text.printable import printable_lines
from wayside.text.redact import redact

JOURNAL = Path("/run/systemd/journal/socket")
_LONGEST = 32 * 1024  # bytes of a message: a datagram has to fit into the socket's buffer
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (0, 7))  # syslog(3)


def set_up(environment: Mapping[str, str], stderr: TextIO = sys.stderr, journal: Path = JOURNAL) -> None:
    """Send the messages of this process where they belong."""
    logging.basicConfig(level=logging.INFO, handlers=[handler(environment, stderr, journal)])


def handler(environment: Mapping[str, str], stderr: TextIO, journal: Path) -> logging.Handler:
    """What `set_up` uses."""
    plain = logging.StreamHandler(stderr)
    plain.setFormatter(Harmless("%(levelname)s %(message)s"))
    if not _is_journal(environment.get("JOURNAL_STREAM", ""), stderr):
        return plain
    try:
        return JournalHandler(journal, plain)
    except OSError:
        return plain


def _is_journal(stream: str, stderr: TextIO) -> bool:
    """Whether stderr is the stream that systemd connected to the journal (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        found = os.fstat(stderr.fileno())
    except (OSError, ValueError):
        return False
    return stream == f"{found.st_dev}:{found.st_ino}"


class Harmless(logging.Formatter):
    """Whatever is said, and the trace behind it, goes out without secrets, and moves no cursor.

    Nor does it begin a line that looks like another message: strangers choose words in some.
    """

    def format(self, record: logging.LogRecord) -> str:
        return printable_lines(redact(super().format(record))).replace("\n", "\n  ")


class JournalHandler(logging.Handler):
    """Sends records to the journal's socket; what it does not take goes to `otherwise`. OSError: there is no socket."""

    def __init__(self, journal: Path, otherwise: logging.Handler):
        super().__init__()
        self.setFormatter(Harmless())
        self._otherwise = otherwise
        self._journal = str(journal)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)  # a journal that is busy must not hold up the gateway
        try:
            self._socket.connect(self._journal)
        except OSError:
            self._socket.close()
            raise

    def emit(self, record: logging.LogRecord) -> None:
        try:
            # By name each time: journald may have been started again.
            self._socket.sendto(b"".join(map(_line, *zip(*self._fields(record), strict=True))), self._journal)
        except OSError:
            self._otherwise.handle(record)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        self._socket.close()
        super().close()

    def _fields(self, record: logging.LogRecord) -> Iterator[tuple[str, str]]:
        yield "MESSAGE", self.format(record)
        yield "PRIORITY", str(next(number for level, number in _PRIORITIES if record.levelno >= level))
        yield "SYSLOG_IDENTIFIER", "wayside"
        yield "CODE_FILE", record.pathname
        yield "CODE_LINE", str(record.lineno)
        yield "CODE_FUNC", record.funcName or ""
        yield "WAYSIDE_MODULE", record.name
        if part := PART.get():
            yield "WAYSIDE_PART", part
        if device := getattr(record, "device", ""):
            yield "WAYSIDE_DEVICE", device


def _line(name: str, value: str) -> bytes:
    data = value.encode(errors="replace")[:_LONGEST]
    if b"\n" in data:
        return name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"
    return name.encode() + b"=" + data + b"\n"

"""One HTTP request to a witness, bounded in time and size as a whole: whoever answers decides neither."""

import http.client
import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

MAX_ANSWER = 64 * 1024  # bytes
TIMEOUT_S = 10.0


def exchange(url: str, body: bytes | None, timeout_s: float = TIMEOUT_S) -> tuple[int, bytes]:
    """(status, body) of a POST, of a GET where `body` is None, over HTTP or HTTPS and without redirects.

    OSError or http.client.HTTPException when there is no answer within the time. A body over MAX_ANSWER is cut.
    """
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
    # The time-out of a socket is for each step; one that drips a byte a second would never exceed it.
    is_over = threading.Event()
    end = threading.Timer(timeout_s, _shut, (connection, is_over))
    end.daemon = True
    try:
        end.start()
        connection.connect()
        if is_over.is_set():  # there was nothing to shut yet
            raise TimeoutError(f"no connection within {timeout_s:g} s")
        if body is None:
            connection.request("GET", parts.path)
        else:
            connection.request("POST", parts.path, body, {"Content-Type": "text/plain"})
        response = connection.getresponse()
        content = response.read(MAX_ANSWER)
        if is_over.is_set():
            raise TimeoutError(f"no whole answer within {timeout_s:g} s")
        if response.length and len(content) < MAX_ANSWER:
            raise http.client.IncompleteRead(content, response.length)
        return response.status, content
    finally:
        end.cancel()
        connection.close()


def _shut(connection: http.client.HTTPConnection, is_over: threading.Event) -> None:
    is_over.set()
    with suppress(OSError, AttributeError):  # not connected yet: that has the time-out of its own
        connection.sock.shutdown(socket.SHUT_RDWR)

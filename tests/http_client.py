"""Running one of Wayside's HTTP services in a test, and asking it over a real socket."""

import http.client
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from wayside.http_service import HttpService


class Reply(NamedTuple):
    status: int
    body: bytes
    headers: Mapping[str, str]


@contextmanager
def running(service: HttpService) -> Iterator[int]:
    """The port of a service that answers while the block runs."""
    thread = threading.Thread(target=service.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield service.server_address[1]
    finally:
        service.shutdown()
        thread.join()
        service.server_close()


def fetch(port: int, path: str, method: str = "GET", body: bytes = b"") -> Reply:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return Reply(response.status, response.read(), response.headers)
    finally:
        connection.close()

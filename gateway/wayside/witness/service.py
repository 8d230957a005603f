"""A witness behind HTTP: `POST /add-checkpoint`, nothing else. Small requests, one thread each, never for long."""

import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from typing import Any

from .witness import MAX_REQUEST, Answer, Witness

_logger = logging.getLogger(__name__)

REQUEST_S = 10.0  # a client that takes longer between two bytes is let go
_AT_ONCE = 32


class WitnessServer(ThreadingHTTPServer):
    """Serves `witness` on (host, port) until `shutdown`; `server_address` tells the port when 0 was asked for."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], witness: Witness):
        super().__init__(address, _Handler)
        self.witness = witness
        self._places = threading.BoundedSemaphore(_AT_ONCE)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: Any) -> None:
        _logger.info("%s: the connection broke", client_address[0])


class _Handler(BaseHTTPRequestHandler):
    server: WitnessServer
    protocol_version = "HTTP/1.1"
    timeout = REQUEST_S

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or int(length[:9]) > MAX_REQUEST:
            self.close_connection = True
            reason = f"a request has at most {MAX_REQUEST} bytes and says how many\n"
            self._answer(Answer(413 if length else 411, reason))
            return
        body = self.rfile.read(int(length))
        if self.path != "/add-checkpoint":
            self._answer(Answer(404, "POST /add-checkpoint is all there is\n"))
            return
        self._answer(self.server.witness.add_checkpoint(body))

    def _answer(self, answer: Answer) -> None:
        body = answer.body.encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        _logger.debug("%s: " + format, self.client_address[0], *args)

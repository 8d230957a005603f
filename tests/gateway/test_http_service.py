"""The small HTTP server: what a client decides is bounded, and a hostile one costs nobody else anything."""

import asyncio
import http.client
import socket
import threading
from contextlib import ExitStack

import pytest
from http_client import fetch, running
from waiting import PATIENCE_S, wait_until
from wayside.net.http import MissingExtraError, require
from wayside.net.http.connections import Connections
from wayside.net.http.service import AT_ONCE, HttpAnswer, HttpService

SHORT_S = 0.4
PATIENT_S = PATIENCE_S


def echo(method: str, path: str, body: bytes) -> HttpAnswer:
    return HttpAnswer(200, f"{method} {path} ".encode() + body)


def service(life_s: float = PATIENT_S, max_body: int = 100) -> HttpService:
    return HttpService(("127.0.0.1", 0), echo, max_body, life_s)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENT_S)


def ended(link: socket.socket) -> bool:
    """Wait until the server has closed the connection; what it sent is dropped."""
    try:
        while link.recv(4096):
            pass
    except ConnectionError:
        pass
    return True


class Held(asyncio.Transport):
    """A connection from `address`."""

    def __init__(self, address: str):
        super().__init__({"peername": (address, 1)})
        self.is_gone = False

    def is_closing(self) -> bool:
        return self.is_gone

    def abort(self) -> None:
        self.is_gone = True


def test_who_has_a_whole_network_of_addresses_makes_room_for_others():
    """One IPv6 host may have 2^64 of them, and each held one place: the oldest of all made room, whoever that was."""

    async def scenario() -> list[bool]:
        places = Connections(asyncio.Protocol, PATIENT_S, at_once=8)
        honest, neighbour = Held("2001:db8::1"), Held("fe80::1%eth0")
        many = [Held(f"2001:db8:0:7::{number:x}") for number in range(10)] + [Held("2001:db8::2")]
        for each in (honest, neighbour, *many):
            places.enter(each)
        return [each.is_gone for each in (honest, neighbour, *many)]

    assert asyncio.run(scenario()) == [False] * 2 + [True] * 5 + [False] * 6


def test_it_answers_get_head_and_post():
    with running(service()) as port:
        assert fetch(port, "/a?b").body == b"GET /a?b "
        assert fetch(port, "/", "POST", b"text").body == b"POST / text"
        head = fetch(port, "/", "HEAD")
        assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", "6")


def test_a_connection_serves_many_requests():
    with running(service()) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENT_S)
        for number in range(50):
            connection.request("GET", f"/{number}")
            assert connection.getresponse().read() == b"GET /%d " % number
        connection.close()


@pytest.mark.parametrize(
    "drip", [b"GET / HTTP/1.1\r\nX: ", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n", b""]
)
def test_a_drip_holds_its_place_no_longer_than_a_connection_lives(drip: bytes):
    with running(service(SHORT_S)) as port, connect(port) as link:
        link.sendall(drip)
        gone = threading.Event()

        def drop_by_drop() -> None:
            try:
                while not gone.wait(SHORT_S / 20):
                    link.sendall(b"x")
            except OSError:
                pass

        dripping = threading.Thread(target=drop_by_drop)
        dripping.start()
        try:
            assert ended(link)
        finally:
            gone.set()
            dripping.join()


def test_whoever_reads_no_answers_holds_no_place():
    """Requests sent ahead, whose answers nobody fetches, fill the socket's buffers; the writer stops in time."""
    big = HttpService(("127.0.0.1", 0), lambda *_: HttpAnswer(200, bytes(1 << 20)), life_s=SHORT_S)
    with running(big) as port, connect(port) as link:
        link.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
        assert freed(big)


def freed(server: HttpService) -> bool:
    """Wait until every place is free again."""
    wait_until(lambda: not server.connections)
    return True


def test_when_all_places_are_taken_the_oldest_makes_room_and_the_others_go_on():
    server = service(PATIENT_S)
    with running(server) as port:
        holding = [http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENT_S) for _ in range(AT_ONCE)]
        for connection in [*holding, holding[0]]:
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"GET / "
        assert fetch(port, "/late").body == b"GET /late "
        assert ended(holding[0].sock)
        for connection in holding[1:]:
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"GET / "
        for connection in holding:
            connection.close()
        assert freed(server)
        assert fetch(port, "/").status == 200


def test_while_all_places_are_at_work_the_oldest_makes_room_too_and_threads_stay_bounded():
    goes_on = threading.Event()
    at_work: list[str] = []

    def respond(method: str, path: str, body: bytes) -> HttpAnswer:
        at_work.append(path)
        goes_on.wait(PATIENT_S)
        return HttpAnswer(200, b"")

    server = HttpService(("127.0.0.1", 0), respond)
    with running(server) as port, ExitStack() as stack:
        stack.callback(goes_on.set)
        working = [stack.enter_context(connect(port)) for _ in range(AT_ONCE)]
        for link in working:
            link.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: len(at_work) == 4)
        late = stack.enter_context(connect(port))
        late.sendall(b"GET /late HTTP/1.1\r\nHost: x\r\n\r\n")
        assert ended(working[0])
        assert len(at_work) == 4
        goes_on.set()
        assert late.recv(100).startswith(b"HTTP/1.1 200")
        for link in working[1:]:
            assert link.recv(100).startswith(b"HTTP/1.1 200")
            link.close()
        late.close()
        assert freed(server)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (b"", b"411"),
        (b"Content-Length: 101\r\n", b"413"),
        (b"Content-Length: 99999999999999999999\r\n", b"400"),
        (b"Content-Length: -1\r\n", b"400"),
        (b"Content-Length: x\r\n", b"400"),
        (b"Content-Length: " + b"0" * 30 + b"\r\n", b"413"),
        (b"Content-Length: " + b"0" * 5_000 + b"\r\n", b"413"),
        (b"Content-Length: " + b"9" * 5_000 + b"\r\n", b"400"),
        (b"Content-Length: " + b"9" * 10_000 + b"\r\n", b"400"),
        (b"Content-Length: 1\r\nContent-Length: 2\r\n", b"400"),
        (b"Transfer-Encoding: chunked\r\n", b"411"),
        (b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", b"400"),
    ],
)
def test_a_body_of_unclear_length_ends_the_connection(fields: bytes, status: bytes):
    with running(service()) as port, connect(port) as link:
        link.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n")
        assert link.recv(100).split()[1] == status
        assert ended(link)


def test_a_head_without_end_is_cut_off():
    with running(service()) as port, connect(port) as link:
        with pytest.raises(OSError):
            link.sendall(b"GET / HTTP/1.1\r\n")
            for number in range(100_000):
                link.sendall(b"X-%d: %s\r\n" % (number, b"x" * 1000))
            ended(link)
            raise OSError
        assert fetch(port, "/").status == 200


@pytest.mark.parametrize(
    "junk", [b"\x00" * 100 + b"\n", b"\x16\x03\x01\x02\x00\n\n", b"GET\n\n", b"GET / HTTP/9.9\n\n"]
)
def test_nonsense_is_refused(junk: bytes):
    with running(service()) as port:
        with connect(port) as link:
            link.sendall(junk)
            assert ended(link)
        assert fetch(port, "/").status == 200


def test_an_error_in_the_answer_costs_that_request_only_and_is_told_once(caplog: pytest.LogCaptureFixture):
    def respond(method: str, path: str, body: bytes) -> HttpAnswer:
        return HttpAnswer(200, b"%d" % (1 // (len(path) - 1)))

    with running(HttpService(("127.0.0.1", 0), respond)) as port:
        for _ in range(50):
            assert fetch(port, "/").status == 500
        assert fetch(port, "/a").status == 200
    [record] = caplog.records
    assert record.levelname == "ERROR" and record.exc_info and "ZeroDivisionError" in record.getMessage()


def test_a_client_that_has_most_places_makes_room_for_one_that_has_few():
    with running(service()) as port, ExitStack() as stack:
        few = stack.enter_context(connect(port))
        many = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENT_S, ("127.0.0.9", 0)))
            for _ in range(AT_ONCE + 10)
        ]
        assert all(ended(link) for link in many[:11])
        few.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert few.recv(100).startswith(b"HTTP/1.1 200")


def test_what_needs_the_extra_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"wayside witness needs .* pip install 'wayside\[web\]'"):
        require("wayside witness")

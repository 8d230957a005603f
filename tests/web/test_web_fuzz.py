"""Hostile HTTP against each server of the gateway, over real sockets: no error, nothing told, nobody kept waiting."""

import asyncio
import base64
import gzip
import logging
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest

pytest.importorskip("aiohttp")

from http_client import fetch, running
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from log.crash import an_entry, open_log
from waiting import PATIENCE_S, wait_until
from wayside.log.tile_service import TileServer
from wayside.net.http import connections
from wayside.net.http.service import AT_ONCE
from wayside.web import guesses
from wayside.web import server as site_server
from wayside.web.server import Server
from wayside.witness.service import WitnessServer
from witness.setting import new_witness

from .test_web_server import server

LONG_S = PATIENCE_S  # only a stall takes as long
SHORT_S = 0.05  # a server that has said nothing by then waits for more
TOLD = re.compile(rb"Traceback|\.py\b|site-packages|/tmp|/home|/usr/|line \d+, in ")
PROPER = {"site": ("/login", 200), "users": ("/login", 200), "tiles": ("/log/0/checkpoint", 200), "witness": ("/", 404)}

COOKIE = b""
"""Of an operator, so that what is behind the guard is reached too."""


class Errors(logging.Handler):
    """What a server logs as its own mistake."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(self.format(record))


@pytest.fixture(scope="module")
def errors() -> Iterator[Errors]:
    handler = Errors()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)
    assert handler.found == []


@contextmanager
def in_a_thread(made: Server) -> Iterator[int]:
    """The port of a status site that answers on a loop of its own while the block runs."""
    serves: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def run() -> None:
        async with made.serving():
            ends = asyncio.Event()
            serves.set_result((asyncio.get_running_loop(), ends))
            await ends.wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    loop, ends = serves.result(LONG_S)
    try:
        yield made.port
    finally:
        loop.call_soon_threadsafe(ends.set)
        thread.join()


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory, errors: Errors) -> Iterator[dict[str, int]]:
    """The port of each server by its name, as in PROPER."""
    folder = tmp_path_factory.mktemp("fuzz")
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setattr(site_server, "_AFTER_WRONG_S", 0.0)
        patch.setattr(guesses, "FREE", 1_000_000)
        log = open_log(folder / "log")
        stack.callback(log.close)
        log.append_entries([an_entry(number) for number in range(300)])
        site = stack.enter_context(server(folder))
        users = stack.enter_context(server(folder, olga="operator"))
        token = users._sessions.begin(users._users.current()["olga"])  # type: ignore[union-attr]
        patch.setitem(globals(), "COOKIE", b"Cookie: wayside=%s\r\n" % token.encode())
        yield {
            "site": stack.enter_context(in_a_thread(site)),
            "users": stack.enter_context(in_a_thread(users)),
            "tiles": stack.enter_context(running(TileServer(("127.0.0.1", 0), folder / "log"))),
            "witness": stack.enter_context(running(WitnessServer(("127.0.0.1", 0), new_witness(folder)))),
        }


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=LONG_S)


def tell(port: int, *pieces: bytes) -> bytes:
    """All that a server says to `pieces`. When it waits for more, it is told that no more comes."""
    said = b""
    with connect(port) as link:
        try:
            for piece in pieces:
                link.sendall(piece)
            link.settimeout(SHORT_S)
            try:
                while part := link.recv(65536):
                    said += part
                return said
            except TimeoutError:
                link.shutdown(socket.SHUT_WR)
            link.settimeout(LONG_S)
            while part := link.recv(65536):
                said += part
        except ConnectionError:
            pass  # refused in the middle of what we said
    return said


def check(ports: dict[str, int], name: str, errors: Errors, *pieces: bytes) -> None:
    said = tell(ports[name], *pieces)
    assert not re.match(rb"HTTP/1\.[01] 500", said), said[:200]
    assert not TOLD.search(said.partition(b"\r\n\r\n")[0]) and not (b" 200 " not in said[:20] and TOLD.search(said))
    path, status = PROPER[name]
    assert fetch(ports[name], path).status == status
    found = [*errors.found]
    errors.found.clear()  # not told of the next example too
    assert found == []


few = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
each_server = pytest.mark.parametrize("name", PROPER)

text = st.binary(max_size=40).map(lambda raw: re.sub(rb"[\r\n]", b"", raw))
methods = st.sampled_from([b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT", b"get"])
known_paths = [b"/", b"/login", b"/app.js", b"/metrics", b"/support-bundle", b"/logout", b"/reload", b"/events", b"*"]
log_paths = [b"/checkpoint", b"/log/0/checkpoint", b"/log/0/tile/0/000", b"/log/0/tile/entries/000", b"/add-checkpoint"]
odd_paths = [
    b"/../../etc/passwd",
    b"/log/0/../../x",
    b"//x",
    b"/%00",
    b"/%ff",
    b"http://[/",
    b"/log/0/tile/99/x999/000",
]
paths = st.sampled_from(known_paths + log_paths + odd_paths) | text.map(lambda raw: b"/" + raw) | text
NAMES = "Host Origin Cookie Authorization Content-Type Content-Encoding Range Accept-Encoding If-Modified-Since Expect"
CONDITIONS = "If-Unmodified-Since If-Range If-None-Match"
names = st.sampled_from(f"{NAMES} {CONDITIONS} Upgrade Connection Transfer-Encoding".encode().split())
basics = st.binary(max_size=20).map(lambda raw: b"Basic " + base64.b64encode(raw))
known_values = [b"[", b"http://[", b"Basic \xff", b"Basic QTpc", b"gzip", b"chunked", b"bytes=5-1", b"100-continue"]
DATE = b"Thu, 01 Jan 99999999999 00:00:00 GMT"
form_values = [b"websocket", b"multipart/form-data", b"multipart/form-data; boundary=b", b"text/x; charset=z"]
values = text | basics | st.sampled_from([*known_values, *form_values, DATE, b"localhost:x", b"wayside=\xff"])
fields = st.lists(st.tuples(names | text, values), max_size=4)
FORM = b"application/x-www-form-urlencoded"
part = b'--b\r\nContent-Disposition: form-data; name="name"; filename="f"\r\n\r\nx\r\n--b--\r\n'
forms = [b"name=%ff&password=%ff", b"name=%ed%a0%80&password=x", b"name=\xff", bytes(20_000), part]
bodies = st.binary(max_size=60) | st.sampled_from(forms)


def request(
    method: bytes, path: bytes, more: list[tuple[bytes, bytes]], body: bytes, cookie: bytes, length: int | None = None
) -> bytes:
    """With a Host that is let in, unless `more` has another."""
    host = b"" if any(name == b"Host" for name, _ in more) else b"Host: localhost\r\n"
    head = b"%s %s HTTP/1.1\r\n%s%s" % (method, path, host, cookie)
    size = len(body) if length is None else length
    told = b"" if any(name == b"Transfer-Encoding" for name, _ in more) else b"Content-Length: %d\r\n" % size
    return head + b"".join(b"%s: %s\r\n" % field for field in more) + told + b"\r\n" + body


@each_server
@few
@given(pieces=st.lists(st.binary(max_size=200), max_size=4))
@example(pieces=[b"GET / HTTP/1.1\r\nHost: x\r\n" * 3])
@example(pieces=[b"GET / HTTP/1.1\r\n\r\n" * 500])
@example(pieces=[b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
def test_raw_bytes(ports: dict[str, int], errors: Errors, name: str, pieces: list[bytes]):
    check(ports, name, errors, *pieces)


@each_server
@settings(few, max_examples=60)
@given(
    method=methods | text, path=paths, more=fields, body=bodies, inside=st.booleans(), length=st.none() | st.integers()
)
@example(method=b"GET", path=b"/", more=[(b"Host", b"[")], body=b"", inside=False, length=None)
@example(method=b"POST", path=b"/login", more=[(b"Origin", b"http://[")], body=b"", inside=False, length=None)
@example(method=b"GET", path=b"/", more=[(b"Authorization", b"Basic \xff")], body=b"", inside=False, length=None)
@example(method=b"GET", path=b"/", more=[(b"Expect", b"\xff")], body=b"", inside=False, length=None)
@example(method=b"GET", path=b"/none", more=[(b"Expect", b"\xff")], body=b"", inside=False, length=None)
def test_requests(
    ports: dict[str, int],
    errors: Errors,
    name: str,
    method: bytes,
    path: bytes,
    more: list[tuple[bytes, bytes]],
    body: bytes,
    inside: bool,
    length: int | None,
):
    check(ports, name, errors, request(method, path, more, body, COOKIE if inside else b"", length))


CHARSETS = [b"", b"; charset=z", b"; charset=base64", b"; charset=utf-7"]
MULTIPART = [b"multipart/form-data", b"multipart/form-data; boundary=b"]
KINDS = [*(FORM + each for each in CHARSETS), *MULTIPART]


@few
@given(kind=st.sampled_from(KINDS) | text, body=bodies)
@example(kind=FORM, body=b"name=\xff")
@example(kind=FORM + b"; charset=z", body=b"name=x")
@example(kind=FORM + b"; charset=base64", body=b"name=x")
@example(kind=FORM + b"; charset=utf-16-le", body=b"\x00\xd8")
@example(kind=FORM + b"; charset=utf-7", body=b"password=+2AA-")
@example(kind=b"multipart/form-data", body=b"x")
def test_logins(ports: dict[str, int], errors: Errors, kind: bytes, body: bytes):
    check(ports, "users", errors, request(b"POST", b"/login", [(b"Content-Type", kind)], body, b""))


@pytest.mark.parametrize(
    ("coding", "pieces"),
    [
        (b"Transfer-Encoding: chunked", [b"5\r\nname=\r\n", b"zz\r\n"]),
        (b"Transfer-Encoding: chunked", [b"5\r\nname=xxx", b"\r\n"]),
        (b"Content-Length: 30\r\nContent-Encoding: gzip", [b"name=", b"x" * 25]),
        (b"Content-Length: 30\r\nContent-Encoding: deflate", [b"name=", b"x" * 25]),
        (b"Content-Length: 2000\r\nContent-Encoding: gzip", [gzip.compress(bytes(1 << 20)).ljust(2000)]),
        (b"Content-Length: 30", [b"name="]),
    ],
)
def test_a_form_that_breaks_half_way(ports: dict[str, int], errors: Errors, coding: bytes, pieces: list[bytes]):
    """The server has begun to read it when the rest comes."""
    head = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\n%s\r\n\r\n" % (FORM, coding)
    with connect(ports["users"]) as link:
        link.settimeout(SHORT_S)
        said = b""
        for piece in [head, *pieces]:
            link.sendall(piece)
            with suppress(TimeoutError, ConnectionError):
                said += link.recv(1000)
        assert not said or re.match(rb"HTTP/1.1 4\d\d", said), said
    check(ports, "users", errors, b"")


@each_server
@pytest.mark.parametrize(
    "start",
    [
        b"GET /" + b"x" * 100_000,
        b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000,
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 50_000,
        b"GET /log/0/tile/0/" + b"x999/" * 1_000 + b"999 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /log/" + b"9" * 6_003 + b"/checkpoint HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /log/0/tile/0/000.p/" + b"9" * 6_003 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        *(
            b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %s\r\n\r\n" % (path, length)
            for path in (b"/login", b"/add-checkpoint")
            for length in (b"0" * 30, b"0" * 5_000, b"9" * 30, b"9" * 5_000, b"0" * 30 + b"5", b"+5", b" ")
        ),
        *(
            b"GET /%s HTTP/1.1\r\nHost: localhost\r\n%s: %s\r\n\r\n" % (path, field, DATE)
            for path in (b"login", b"log/0/checkpoint")
            for field in (b"If-Modified-Since", b"If-Unmodified-Since", b"If-Range")
        ),
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n\r\n" + bytes(1 << 20),
        b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n" + bytes(1 << 20),
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + b"fff\r\n" + bytes(99_999),
    ],
)
def test_oversized(ports: dict[str, int], errors: Errors, name: str, start: bytes):
    check(ports, name, errors, start)


@pytest.mark.parametrize(
    ("name", "places"),
    [("site", connections.AT_ONCE), ("users", connections.AT_ONCE), ("tiles", AT_ONCE), ("witness", AT_ONCE)],
)
@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\nX: ", b"POST /login HTTP/1.1\r\nHost: localhost\r\n"])
def test_those_who_hold_connections_keep_nobody_out(
    ports: dict[str, int], errors: Errors, name: str, places: int, start: bytes
):
    with ExitStack() as stack:
        holding = [stack.enter_context(connect(ports[name])) for _ in range(places + 8)]
        for link in holding:
            with suppress(ConnectionError):
                link.sendall(start)
        check(ports, name, errors, b"")
        assert all(ended(link) for link in holding[:8]), "the oldest make room"
        holding[-1].setblocking(False)
        with pytest.raises(BlockingIOError):
            holding[-1].recv(1)


def ended(link: socket.socket) -> bool:
    try:
        return link.recv(1) == b""
    except ConnectionError:
        return True


DRIP_S = 0.3


@pytest.mark.parametrize(
    "start",
    [
        b"GET / HTTP/1.1\r\nX: ",
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n" + b"Content-Type: %s\r\n\r\n" % FORM,
    ],
)
def test_a_drip_ends_with_its_connections_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: bytes, errors: Errors
):
    monkeypatch.setattr(site_server, "_LIFE_S", DRIP_S)
    with server(tmp_path, olga="operator") as made, in_a_thread(made) as port, connect(port) as link:
        link.sendall(start)
        link.settimeout(DRIP_S / 20)
        end_s = time.monotonic() + LONG_S
        while time.monotonic() < end_s:
            try:
                link.sendall(b"x")
                assert link.recv(1) == b""
                break
            except TimeoutError:
                assert fetch(port, "/login").status == 200
            except ConnectionError:
                break
        else:
            pytest.fail("it is still open")
    assert errors.found == []


def test_an_answer_late_in_a_connections_life_closes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(site_server, "_LIFE_S", 5.0)
    with server(tmp_path) as made, in_a_thread(made) as port, ExitStack() as stack:
        client = stack.enter_context(closing(HTTPConnection("127.0.0.1", port, timeout=LONG_S)))
        closes: list[bool] = []

        def is_last() -> bool:
            answer = get(client)
            assert answer.status == 200
            closes.append(answer.will_close)
            return closes[-1]

        wait_until(is_last, "the last answer")
        assert len(closes) > 2


def get(client: HTTPConnection) -> HTTPResponse:
    client.request("GET", "/login")
    answer = client.getresponse()
    answer.read()
    return answer

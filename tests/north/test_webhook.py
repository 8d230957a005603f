"""The webhook sink against a real HTTP server that misbehaves: everything arrives, what never will is put aside."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from north.site import FIRST_PACK, Site
from waiting import running, until
from wayside.north.forward import Forwarder, ForwardLimits
from wayside.north.webhook import Hook, Webhook

LIMITS = ForwardLimits(batch_entries=4, send_s=5.0, retry_most_s=0.01, refused_most_s=0.01, cursor_every_s=0.005)


class FarSide(ThreadingHTTPServer):
    """Keeps what it took. `judge(request number, indices)` gives the status; 0 closes the connection unanswered."""

    daemon_threads = True

    def __init__(self, judge: Callable[[int, list[int]], int]):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.judge = judge
        self.requests = 0
        self.taken: list[int] = []
        self.tokens: set[str | None] = set()


class _Handler(BaseHTTPRequestHandler):
    server: FarSide

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])), parse_float=str)
        indices = [each["index"] for each in body]
        self.server.requests += 1
        self.server.tokens.add(self.headers["Authorization"])
        status = self.server.judge(self.server.requests, indices)
        if status == 200 or status == 0:
            self.server.taken += indices  # with 0 it took the batch, and nobody is told
        if status:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def far_side(judge: Callable[[int, list[int]], int]) -> Iterator[FarSide]:
    server = FarSide(judge)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def forward(folder: Path, server: FarSide, count: int, token: str | None = None) -> Forwarder:
    site = Site(folder)
    hook = Hook(f"http://127.0.0.1:{server.server_address[1]}/in?site=7", token)
    forwarder = Forwarder("works", Webhook(hook, site), site, LIMITS)

    async def scenario() -> None:
        site.packs(count)
        async with running(forwarder.run()):
            await until(lambda: forwarder.lag(site.log.size) == 0 and forwarder.status.delivered > 0)

    asyncio.run(scenario())
    return forwarder


@pytest.mark.parametrize("status", [0, 302, 401, 408, 429, 500, 503])
def test_what_is_not_taken_comes_again(tmp_path: Path, status: int):
    with far_side(lambda number, _: status if number in (1, 2, 5) else 200) as server:
        forwarder = forward(tmp_path / "log", server, 20, "s3cret")
    everything = set(range(FIRST_PACK, FIRST_PACK + 20))
    assert set(server.taken) == everything, "nothing is missing; repetitions carry the same index"
    assert forwarder.status.dead_letters == 0 and forwarder.status.failures >= 2
    assert server.tokens == {"Bearer s3cret"}


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_only_the_entry_that_is_never_taken_is_put_aside(tmp_path: Path, status: int):
    with far_side(lambda _, indices: status if 7 in indices else 200) as server:
        forwarder = forward(tmp_path / "log", server, 12)
    assert set(server.taken) == {index for index in range(FIRST_PACK, FIRST_PACK + 12) if index != 7}
    assert forwarder.status.dead_letters == 1


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_who_refuses_everything_is_asked_again_and_nothing_is_given_up(tmp_path: Path, status: int):
    """http:// to a port of https://, a limit of a proxy in front, a new schema."""
    refused: list[int] = []

    def judge(number: int, indices: list[int]) -> int:
        taken = number <= 2 or len(refused) > 30
        refused.extend([] if taken else indices)
        return 200 if taken else status

    with far_side(judge) as server:
        forwarder = forward(tmp_path / "log", server, 20)
    assert set(server.taken) == set(range(FIRST_PACK, FIRST_PACK + 20))
    assert forwarder.status.dead_letters == 0 and forwarder.status.failures > 0


def test_the_token_shows_in_no_text():
    assert "s3cret" not in repr(Hook("https://works.example/in", "s3cret"))

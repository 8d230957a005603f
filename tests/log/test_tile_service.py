"""Tiles over real HTTP from a real log: a client that knows nothing but the log's key and address."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from http_client import Reply, fetch, running
from wayside.daemon.daemon import Daemon
from wayside.evidence import merkle
from wayside.evidence.note import ED25519, Checkpoint, NoteKey, open_checkpoint
from wayside.log import Log
from wayside.log.retention import RetentionPolicy, expire
from wayside.log.tile_service import TileServer
from wayside.log.tiles import tile_path
from wayside.runtime.clock import SystemClock
from wayside.site import config
from wayside.trust.keys import load_or_create
from wayside_wire.pack import SYNCED

from .crash import KEY, SITE, an_entry, open_log
from .made import STREAM


class TileClient:
    """Fetches tiles of one epoch and believes nothing but its checkpoint's signature."""

    def __init__(self, port: int, epoch: int = 0):
        self.port = port
        self.prefix = f"/log/{epoch}/"
        self.key = NoteKey(f"{SITE}/log/{epoch}", ED25519, KEY.public)

    def get(self, path: str) -> Reply:
        return fetch(self.port, self.prefix + path)

    def checkpoint(self) -> Checkpoint:
        return open_checkpoint(self.get("checkpoint").body, self.key)[0]

    def hashes(self, level: int, count: int) -> list[bytes]:
        """The first `count` hashes of a row of tiles."""
        found: list[bytes] = []
        for number in range(-(-count // 256)):
            reply = self.get(tile_path(level, number, min(256, count - 256 * number)))
            assert reply.status == 200
            found += [reply.body[at : at + 32] for at in range(0, len(reply.body), 32)]
        return found


def root_of(hashes: list[bytes]) -> bytes:
    frontier = merkle.Frontier()
    for each in hashes:
        frontier.append(each)
    return frontier.root()


@contextmanager
def serving(folder: Path) -> Iterator[TileClient]:
    with running(TileServer(("127.0.0.1", 0), folder)) as port:
        yield TileClient(port)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    log = open_log(tmp_path / "log")
    yield log
    log.close()


def grow(log: Log, count: int) -> None:
    log.append_entries([an_entry(log.size + i) for i in range(count)])


def test_a_client_recomputes_the_root_from_tiles_alone(log: Log, tmp_path: Path):
    grow(log, 66_000)
    with serving(tmp_path / "log") as client:
        checkpoint = client.checkpoint()
        assert checkpoint.size == 66_000
        leaves = client.hashes(0, checkpoint.size)
        assert len(leaves) == checkpoint.size and root_of(leaves) == checkpoint.root
        # The row above says the same: each hash there is the root of a full tile, and one of the third row of 256.
        roots = client.hashes(1, checkpoint.size // 256)
        assert roots == [root_of(leaves[at : at + 256]) for at in range(0, checkpoint.size - 255, 256)]
        assert client.hashes(2, 1) == [root_of(roots[:256])]
        bundle = client.get("tile/entries/257.p/208").body
        assert [merkle.leaf_hash(bundle[at + 2 : at + 34]) for at in range(0, len(bundle), 34)] == leaves[-208:]


def test_types_and_how_long_an_answer_may_be_kept(log: Log, tmp_path: Path):
    grow(log, 300)
    with serving(tmp_path / "log") as client:
        checkpoint, tile = client.get("checkpoint"), client.get("tile/0/000")
        assert (checkpoint.headers["Content-Type"], checkpoint.headers["Cache-Control"]) == (
            "text/plain; charset=utf-8",
            "no-store",
        )
        assert (
            tile.headers["Content-Type"] == "application/octet-stream" and "immutable" in tile.headers["Cache-Control"]
        )
        missing = client.get("tile/0/002")
        assert missing.status == 404 and missing.headers["Cache-Control"] == "no-store"
        head = fetch(client.port, "/log/0/tile/0/000", "HEAD")
        assert (head.status, head.headers["Content-Length"], head.body) == (200, "8192", b"")


def test_a_pruned_entry_is_gone_and_its_hashes_are_not(log: Log, tmp_path: Path):
    grow(log, 600)
    assert expire(log, {STREAM: RetentionPolicy(max_age_ms=1)}, 301, SYNCED) == 300
    with serving(tmp_path / "log") as client:
        gone = client.get("tile/entries/000")
        assert gone.status == 410 and gone.body.startswith(b"PRUNED")
        assert client.get("tile/entries/001").status == 410, "a part of it is erased"
        assert client.get("tile/entries/002.p/89").status == 200
        assert client.get("tile/entries/003").status == 404
        checkpoint = client.checkpoint()
        assert root_of(client.hashes(0, checkpoint.size)) == checkpoint.root


def test_whoever_asks_while_the_log_grows_sees_one_history(log: Log, tmp_path: Path):
    grow(log, 1)
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            grow(log, 37)

    with serving(tmp_path / "log") as client:
        writer = threading.Thread(target=write)
        writer.start()
        try:
            sizes = set()
            while len(sizes) < 8:
                checkpoint = client.checkpoint()
                assert root_of(client.hashes(0, checkpoint.size)) == checkpoint.root
                sizes.add(checkpoint.size)
        finally:
            done.set()
            writer.join()


def test_each_epoch_has_its_prefix_and_the_bare_paths_lead_to_the_newest(tmp_path: Path):
    log = open_log(tmp_path / "log")
    grow(log, 5)
    log.close()
    (tmp_path / "log" / "epoch-0.sqlite").unlink()
    again = open_log(tmp_path / "log")
    assert again.origin == f"{SITE}/log/1"
    with serving(tmp_path / "log") as client:
        assert client.checkpoint().size == 5, "what was signed last stays readable"
        assert client.get("tile/0/000.p/5").status == 503, "its database is lost"
        newest = TileClient(client.port, 1)
        assert root_of(newest.hashes(0, 1)) == newest.checkpoint().root
        bare = fetch(client.port, "/checkpoint")
        assert (bare.status, bare.headers["Location"]) == (307, "/log/1/checkpoint")
    again.close()


@pytest.mark.parametrize(
    "path", ["/", "/log/0", "/log/0/", "/log/1/checkpoint", "/log/00/checkpoint", "/log/0/../0/checkpoint",
             "/log/0/checkpoint?x=1", "/log/0/tile/0/000", "/etc/passwd", "/log/0/tile/0/" + "x999/" * 50 + "999"]
)  # fmt: skip
def test_there_is_nothing_elsewhere(log: Log, tmp_path: Path, path: str):
    grow(log, 5)
    with serving(tmp_path / "log") as client:
        assert fetch(client.port, path).status == 404


def test_nothing_can_be_written(log: Log, tmp_path: Path):
    grow(log, 5)
    with serving(tmp_path / "log") as client:
        assert fetch(client.port, "/log/0/checkpoint", "POST").status == 405
        assert fetch(client.port, "/log/0/checkpoint", "DELETE").status == 501


def test_a_gateway_serves_its_log_where_the_site_file_says(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    path = tmp_path / "site.toml"
    path.write_text(f'[site]\nname = "test.example"\n[log]\nhttp = "127.0.0.1:{port}"\n')

    async def checkpoint() -> bytes:
        daemon = Daemon(config.load(path), path, SystemClock())
        task = asyncio.create_task(daemon.run())
        try:
            async with asyncio.timeout(60):
                while True:
                    try:
                        return (await asyncio.to_thread(fetch, port, "/log/0/checkpoint")).body
                    except ConnectionRefusedError:
                        await asyncio.sleep(0.01)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    note = asyncio.run(checkpoint())
    key = NoteKey("test.example/log/0", ED25519, load_or_create(tmp_path / "state" / "log.key").public)
    assert open_checkpoint(note, key)[0].size > 0
    with pytest.raises(ConnectionRefusedError):
        fetch(port, "/log/0/checkpoint")


@pytest.mark.parametrize("address", ["", "8430", ":8430", "localhost:", "localhost:0", "h:65536", "localhost:x"])
def test_an_address_in_another_form_is_refused(address: str, tmp_path: Path):
    path = tmp_path / "site.toml"
    path.write_text(f'[site]\nname = "test.example"\n[log]\nhttp = "{address}"\n')
    with pytest.raises(config.SiteFileError, match=r"site.toml:4: log.http: write .HOST:PORT."):
        config.load(path)

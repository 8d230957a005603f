"""Several witnesses at once over real HTTP: what is collected, who is left alone for a while, the question at start."""

import socket
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from random import Random
from time import monotonic

import pytest
from evidence.site_log import KEY
from wayside.evidence import merkle
from wayside.evidence.note import COSIGNATURE, Checkpoint, NoteKey, parse_note, sign_note
from wayside.trust.keys import SoftwareKey
from wayside.witness.client import AheadError, WitnessClient, post
from wayside.witness.collect import Collector, high_water
from witness.setting import NOW_S, GrowingLog, ask, new_witness, serving, url

NAMES = ("w.example/1", "w.example/2", "w.example/3")


class Pinned(GrowingLog):
    def close(self) -> None:
        pass


@pytest.fixture
def clients(tmp_path: Path) -> Iterator[list[WitnessClient]]:
    """Two that work and one port where nobody listens."""
    made = []
    for number, name in enumerate(NAMES):
        key = SoftwareKey(bytes([number]) * 32)
        folder = tmp_path / str(number)
        folder.mkdir()
        made.append((new_witness(folder, KEY, key=key, name=name), NoteKey(name, COSIGNATURE, key.public)))
    with serving(made[0][0]) as first, serving(made[1][0]) as second, socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        urls = [url(first), url(second), f"http://127.0.0.1:{unheard.getsockname()[1]}"]
        yield [WitnessClient(where, key) for where, (_, key) in zip(urls, made, strict=True)]


def grown(size: int, fork: int = 0) -> Pinned:
    log = Pinned()
    log.grow(size - fork)
    log.grow(fork, b"other")
    return log


def new_collector(clients: list[WitnessClient], log: Pinned, now_s: Callable[[], float] = monotonic) -> Collector:
    return Collector(clients, lambda checkpoint: log, Random(1), lambda: NOW_S * 1000, now_s)


def test_the_cosignatures_come_onto_one_note(clients: list[WitnessClient]):
    log = grown(7)
    note = new_collector(clients, log).collect(log.checkpoint)
    again = parse_note(note.encode())
    again.verified_by(KEY)
    assert {each.name for each in again.signatures} == {KEY.name, NAMES[0], NAMES[1]}
    for client in clients[:2]:
        again.verified_by(client.key)


def test_how_each_witness_stands_is_told(clients: list[WitnessClient]):
    log = grown(7)
    collector = new_collector(clients, log)
    assert set(collector.standings) == set(NAMES) and collector.standings[NAMES[0]].cosigned_ms is None
    collector.collect(log.checkpoint)
    assert collector.standings[NAMES[0]] == (7, NOW_S * 1000, "")
    size, cosigned_ms, error = collector.standings[NAMES[2]]
    assert (size, cosigned_ms) == (0, None) and "cannot be reached" in error
    fork = grown(7, fork=2)
    new_collector(clients, fork).collect(fork.checkpoint)
    other = new_collector(clients, grown(4))
    other.collect(grown(4).checkpoint)
    assert "has co-signed a tree of 7, which this one of 4 does not contain" in other.standings[NAMES[1]].error


def test_who_fails_is_asked_less_and_less_often(clients: list[WitnessClient]):
    log = grown(3)
    now_s = 0.0
    asked_at = []

    def send(where: str, body: bytes) -> tuple[int, bytes]:
        asked_at.append(now_s)
        return post(where, body)

    gone = WitnessClient("http://127.0.0.1:9", clients[2].key, send)
    collector = new_collector([gone], log, lambda: now_s)
    while now_s < 7200:
        collector.collect(log.checkpoint)
        now_s += 10
    assert 10 < len(asked_at) < 100
    assert max(after - before for before, after in pairwise(asked_at)) <= 610


def test_at_start_only_a_witness_that_knows_more_says_so(clients: list[WitnessClient]):
    log = grown(9)
    assert high_water(clients, log.checkpoint) is None, "the first that it hears"
    assert high_water(clients, log.checkpoint) is None, "the same again"
    assert high_water(clients, grown(12).checkpoint) is None, "it is behind"
    assert high_water(clients, grown(4).checkpoint) == 9
    assert high_water(clients, grown(9, fork=1).checkpoint) == 9
    empty = sign_note(Checkpoint(KEY.name, 0, merkle.EMPTY_ROOT).text(), KEY, log.key.sign).encode()
    assert high_water(clients, empty) == 9


def test_a_fork_of_the_same_size_is_ahead_also_for_a_client_that_has_forgotten(clients: list[WitnessClient]):
    clients[0].cosign(grown(9))
    fresh = WitnessClient(clients[0]._url.removesuffix("/add-checkpoint"), clients[0].key)
    for _ in range(2):
        with pytest.raises(AheadError) as caught:
            fresh.cosign(grown(9, fork=2))
        assert caught.value.size == 9


def test_thirty_days_of_checkpoints_take_one_round_trip(clients: list[WitnessClient]):
    trips = []

    def counted(where: str, body: bytes) -> tuple[int, bytes]:
        trips.append(len(body))
        return post(where, body)

    client = WitnessClient(clients[0]._url.removesuffix("/add-checkpoint"), clients[0].key, counted)
    log = grown(100)
    client.cosign(log)
    log.grow(30 * 1440)
    client.cosign(log)
    assert len(trips) == 2 and trips[1] < 2048


def test_a_client_learns_the_size_of_a_witness_that_lost_its_memory(tmp_path: Path):
    log = grown(5)
    for name in "ab":
        (tmp_path / name).mkdir()
    with serving(new_witness(tmp_path / "a")) as server:
        port = server.server_address[1]
        client = WitnessClient(url(server), new_witness(tmp_path / "a")._key)
        client.cosign(log)
    log.grow(2)
    blank = new_witness(tmp_path / "b")
    with serving(blank, port):
        client.cosign(log)
    assert ask(blank, log, 7)[0] == 200

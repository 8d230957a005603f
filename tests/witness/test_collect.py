"""Several witnesses at once over real HTTP: what is collected, who is left alone for a while, the question at start."""

import socket
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from random import Random
from time import monotonic

import pytest
from evidence.site_log import KEY, THIEF
from wayside.evidence.note import COSIGNATURE, NoteKey, parse_note
from wayside.trust.keys import SoftwareKey
from wayside.witness.client import AheadError, WitnessClient, WitnessError
from wayside.witness.collect import Collector, newest_held
from wayside.witness.exchange import exchange
from witness.setting import NOW_S, GrowingLog, ask, new_witness, serving, text_of, url

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
        yield [WitnessClient(where, key, log_keys=[KEY.public]) for where, (_, key) in zip(urls, made, strict=True)]


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
    assert collector.standings[NAMES[0]] == (7, NOW_S * 1000, "", 0)
    size, cosigned_ms, error, claims = collector.standings[NAMES[2]]
    assert (size, cosigned_ms, claims) == (0, None, 0) and "cannot be reached" in error
    fork = grown(7, fork=2)
    new_collector(clients, fork).collect(fork.checkpoint)
    other = new_collector(clients, grown(4))
    other.collect(grown(4).checkpoint)
    assert (
        "has co-signed a tree of 7 of site.example/log/0, which this one of 4 does not contain"
        in other.standings[NAMES[1]].error
    )


def test_who_fails_is_asked_less_and_less_often(clients: list[WitnessClient]):
    log = grown(3)
    now_s = 0.0
    asked_at = []

    def send(where: str, body: bytes | None) -> tuple[int, bytes]:
        asked_at.append(now_s)
        return exchange(where, body)

    gone = WitnessClient("http://127.0.0.1:9", clients[2].key, send)
    collector = new_collector([gone], log, lambda: now_s)
    while now_s < 7200:
        collector.collect(log.checkpoint)
        now_s += 10
    assert 10 < len(asked_at) < 100
    assert max(after - before for before, after in pairwise(asked_at)) <= 610


def test_at_start_each_witness_shows_what_it_holds_and_nothing_is_signed_for_it(clients: list[WitnessClient]):
    log = grown(9)
    assert newest_held(clients, "site.example") == [], "nobody has heard of it"
    clients[0].cosign(log)
    clients[1].cosign(grown(4))
    held = newest_held(clients, "site.example")
    assert list(map(text_of, held)) == [text_of(log.checkpoint), text_of(grown(4).checkpoint)]
    for client, note in zip(clients, held, strict=False):
        parse_note(note).verified_by(client.key)
    assert newest_held(clients, "other.example") == []
    strangers = [WitnessClient(each._prefix, each.key, log_keys=[THIEF.public]) for each in clients]
    assert newest_held(strangers, "site.example") == [], "what another has signed says nothing about this log"


def test_a_fork_of_the_same_size_is_ahead_also_for_a_client_that_has_forgotten(clients: list[WitnessClient]):
    clients[0].cosign(grown(9))
    fresh = WitnessClient(clients[0]._prefix, clients[0].key, log_keys=[KEY.public])
    for _ in range(2):
        with pytest.raises(AheadError) as caught:
            fresh.cosign(grown(9, fork=2))
        assert caught.value.shown.size == 9


@pytest.mark.campaign
def test_thirty_days_of_checkpoints_take_one_round_trip(clients: list[WitnessClient]):
    trips = []

    def counted(where: str, body: bytes | None) -> tuple[int, bytes]:
        trips.append(len(body or b""))
        return exchange(where, body)

    client = WitnessClient(clients[0]._prefix, clients[0].key, counted)
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


@pytest.mark.parametrize("said", [b"no such page: /team/S3cret", b"S3cret is not known", b"x" * 197 + b"S3cret"])
def test_the_words_of_a_witness_are_not_told_where_they_repeat_a_part_of_its_path(
    clients: list[WitnessClient], said: bytes
):
    answers = WitnessClient("http://w.example/team/S3cret", clients[0].key, lambda *_: (403, said))
    for ask_it in (lambda: answers.cosign(grown(5)), lambda: answers.newest("site.example")):
        with pytest.raises(WitnessError, match="answers 403") as told:
            ask_it()
        assert "S3" not in str(told.value)

"""What a witness, or somebody between, says against a log counts by what it shows: the log's own signature.

A server of each kind stands where the witness is expected: over real HTTP, before a client, a start and a gateway.
"""

import asyncio
import http.client
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random

import pytest
from evidence.site_log import KEY, LOG, ORIGIN, THIEF
from http_client import running
from waiting import free_port
from wayside.cli.status import lines
from wayside.daemon.daemon import Daemon
from wayside.daemon.status import snapshot
from wayside.evidence.entry import decode_entry, encode_unplaced
from wayside.evidence.kinds import ClockBody, EpochBody
from wayside.evidence.note import COSIGNATURE, NoteKey, cosign, parse_checkpoint, parse_note
from wayside.evidence.stream import GATEWAY
from wayside.log import Append, Log, LogReader
from wayside.log.reader import read_signed
from wayside.net.http.service import HttpAnswer, HttpService
from wayside.trust.keys import SoftwareKey
from wayside.witness.client import AheadError, UnshownError, WitnessClient, WitnessError
from wayside.witness.collect import Collector, newest_held
from wayside.witness.continuation import encode_continuation
from wayside.witness.exchange import exchange
from wayside.witness.witness import encode_request
from wayside_wire.pack import SYNCED, UNSYNCED
from witness.setting import NOW_S, WITNESS, WITNESS_KEY, GrowingLog, new_witness, serving, text_of
from witness.test_epoch_ends import Place, cosigned, never, run_until

LOG_OF_9 = GrowingLog().grow(9)
SIZE = "text/x.tlog.size"


def answers(post: HttpAnswer, get: HttpAnswer) -> Callable[[str, str, bytes], HttpAnswer]:
    return lambda method, path, body: post if method == "POST" else get


@contextmanager
def liar(post: HttpAnswer, get: HttpAnswer, port: int = 0) -> Iterator[str]:
    with running(HttpService(("127.0.0.1", port), answers(post, get), 65_536)) as at:
        yield f"http://127.0.0.1:{at}"


CLAIM = HttpAnswer(409, b"9999\n", SIZE)


def held(log: GrowingLog, time_s: int = NOW_S, by: SoftwareKey = WITNESS) -> HttpAnswer:
    """A checkpoint as a witness shows it that has co-signed it, or would."""
    note = parse_note(log.checkpoint)
    key = NoteKey(WITNESS_KEY.name, COSIGNATURE, by.public)
    return HttpAnswer(200, note.with_signatures([cosign(note, key, by.sign, time_s)]).encode())


NOTHING_SHOWN = {
    "404": HttpAnswer(404, b"no\n"),
    "garbage": HttpAnswer(200, b"\xff\x00garbage"),
    "nothing": HttpAnswer(200, b""),
    "a size": HttpAnswer(200, b"9999\n", SIZE),
    "huge": HttpAnswer(200, b"x" * 10_000_000),
    "a huge note of ours": HttpAnswer(200, held(GrowingLog().grow(50)).body + b"x" * 70_000),
    "by another": held(GrowingLog(key=THIEF).grow(50)),
    "by another as a later epoch": held(GrowingLog("site.example/log/1", THIEF).grow(50)),
    "of another site of ours": held(GrowingLog("other.example/log/0").grow(50)),
    "an epoch with another spelling": held(GrowingLog("site.example/log/00").grow(50)),
    "an epoch too far": held(GrowingLog("site.example/log/2147483647").grow(1)),
    "contained": held(GrowingLog().grow(7)),
    "the same": held(LOG_OF_9),
    "a byte changed": HttpAnswer(200, held(GrowingLog().grow(50)).body.replace(b"\n50\n", b"\n51\n")),
}
NOTHING_SHOWN |= {
    "ours, by somebody between": HttpAnswer(200, GrowingLog().grow(50).checkpoint),
    "ours, and another is the witness": held(GrowingLog().grow(50), by=THIEF),
    "ours, of no time": held(GrowingLog().grow(50), time_s=0),
    "ours, kept from last year": held(GrowingLog().grow(50), time_s=NOW_S - 31_536_000),
}
SHOWN = {
    "larger": GrowingLog().grow(50),
    "another of the same size": GrowingLog().grow(9, b"other"),
    "another, smaller": GrowingLog().grow(4, b"other"),
    "a later epoch": GrowingLog("site.example/log/1").grow(2),
    "a much later epoch": GrowingLog("site.example/log/77").grow(2),
}


def client_of(where: str) -> WitnessClient:
    return WitnessClient(where, WITNESS_KEY, log_keys=[KEY.public], clock=lambda: (NOW_S * 1000, SYNCED))


@pytest.mark.parametrize("status", [409, 422])
@pytest.mark.parametrize("shown", NOTHING_SHOWN)
def test_a_claim_that_is_not_shown_is_no_claim(shown: str, status: int):
    with liar(CLAIM._replace(status=status), NOTHING_SHOWN[shown]) as where, pytest.raises(UnshownError):
        client_of(where).cosign(LOG_OF_9)


@pytest.mark.parametrize(
    "post", [CLAIM, HttpAnswer(409, b"9\n", SIZE), HttpAnswer(409, b"0\n", SIZE), HttpAnswer(422, b"no\n")]
)
@pytest.mark.parametrize("shown", SHOWN)
def test_what_is_shown_is_a_contradiction(shown: str, post: HttpAnswer):
    with liar(post, held(SHOWN[shown])) as where, pytest.raises(AheadError) as caught:
        client_of(where).cosign(LOG_OF_9)
    assert caught.value.shown.origin == SHOWN[shown].origin and caught.value.shown.size == SHOWN[shown].size


@pytest.mark.parametrize(
    "post",
    [
        HttpAnswer(404, b"x"),
        HttpAnswer(500, b"x"),
        HttpAnswer(200, b"garbage"),
        HttpAnswer(200, b"x" * 10_000_000),
        HttpAnswer(302, b""),
    ],
)
def test_any_other_answer_says_nothing_about_the_log(post: HttpAnswer):
    with liar(post, held(SHOWN["larger"])) as where, pytest.raises(WitnessError) as caught:
        client_of(where).cosign(LOG_OF_9)
    assert not isinstance(caught.value, AheadError | UnshownError)


def test_claims_are_counted_and_the_next_cosignature_does_not_hide_them(tmp_path: Path):
    class Pinned(GrowingLog):
        def close(self) -> None:
            pass

    log = Pinned()
    log.grow(3)
    port = free_port()
    client = client_of(f"http://127.0.0.1:{port}")
    collector = Collector([client], lambda checkpoint: log, Random(1), lambda: NOW_S * 1000, first_wait_s=0)
    for _ in range(2):
        with liar(CLAIM, HttpAnswer(404, b""), port):
            collector.collect(log.checkpoint)
    assert not collector.ahead and collector.standings[WITNESS_KEY.name].claims == 2
    assert "claims" in collector.standings[WITNESS_KEY.name].error
    with serving(new_witness(tmp_path), port):
        collector.collect(log.checkpoint)
    assert collector.standings[WITNESS_KEY.name] == (3, NOW_S * 1000, "", 2)


# --- at a start ---


def open_log(folder: Path, where: str, within_s: float = 5.0) -> Log:
    asked = partial(newest_held, [client_of(where)], within_s=within_s)
    return Log(folder, "site.example", LOG.public, LOG.sign, lambda: (0, SYNCED), witnessed=lambda site: asked(site))


@pytest.mark.parametrize("shown", [*sorted(NOTHING_SHOWN.keys() - {"contained", "the same"}), "500"])
def test_a_start_goes_on_with_its_epoch_whatever_is_not_shown(shown: str, tmp_path: Path):
    get = NOTHING_SHOWN.get(shown, HttpAnswer(500, b"broken"))
    for size in (0, 9):
        with liar(CLAIM, get) as where:
            log = open_log(tmp_path, where)
            assert (log.origin, log.found, log.size) == (ORIGIN, "", size)
        log.append_entries([Append(GATEWAY, encode_unplaced(0, SYNCED, ClockBody(number))) for number in range(9)])
        log.close()


@contextmanager
def dripping(first: bytes) -> Iterator[str]:
    """A server that begins an answer and then sends a byte every 50 ms, for ever."""
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        try:
            connection.sendall(first)
            while not stop.wait(0.05):
                connection.sendall(b"x")
        except OSError:
            pass
        finally:
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while not stop.is_set():
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=drip, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            stop.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nX-", b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n"])
def test_a_witness_that_drips_delays_a_start_no_longer_than_one_that_is_silent(first: bytes, tmp_path: Path):
    with dripping(first) as where:
        log = open_log(tmp_path, where, within_s=0.5)  # or it would never return: it drips for ever
        assert log.origin == ORIGIN
        log.close()
        with pytest.raises((OSError, http.client.HTTPException)):
            exchange(where + "/checkpoint/site.example", None, 0.5)


# --- a gateway ---


def test_a_gateway_goes_on_through_claims_that_are_not_shown_also_over_a_start(tmp_path: Path):
    """Before, this was a new epoch at once and at every start."""
    place = Place(tmp_path)
    place.write()

    def told(daemon: Daemon) -> bool:
        shown = "\n".join(lines(json.loads(json.dumps(snapshot(daemon.parts)))))
        return re.search(r"does not show it; CLAIMS, AND DOES NOT SHOW, [2-9] times", shown) is not None

    async def scenario() -> None:
        for _ in range(2):
            with liar(CLAIM, HttpAnswer(404, b""), place.port):
                assert not await run_until(place, told), "it goes on"
        with place.witness():
            assert not await run_until(place, partial(cosigned, 0)), "and the witness still has all of it"

    asyncio.run(scenario())
    assert place.origin() == "test.example/log/0"


def test_a_gateway_ends_its_epoch_by_what_is_shown_and_the_witness_goes_on_with_it(tmp_path: Path):
    """A thief has gone on with the epoch; the next one names both, and is co-signed."""
    place = Place(tmp_path)
    place.write()

    async def scenario() -> None:
        with place.witness():
            await run_until(place, partial(cosigned, 0))
        thiefs = GrowingLog("test.example/log/0", place.key).next(place.held())
        with place.witness():
            known = thiefs.continuation(parse_checkpoint(parse_note(place.held())))
            request = encode_continuation(known, encode_request(0, (), thiefs.checkpoint))
            assert exchange(f"http://127.0.0.1:{place.port}/add-epoch", request)[0] == 200
        gateway = asyncio.create_task(run_until(place, never))  # begins without a network
        await asyncio.sleep(0)
        with place.witness():
            assert await gateway, "it ended by itself"
            await run_until(place, partial(cosigned, 0))
        log = LogReader(place.log)
        body = decode_entry(log.records(0, 1)[0].entry).body
        assert log.origin == "test.example/log/2"
        assert isinstance(body, EpochBody) and body.before == "test.example/log/0"
        assert list(map(text_of, body.shown)) == [text_of(thiefs.checkpoint)] and body.note == read_signed(place.log, 0)
        assert body.cause == "a witness has co-signed 1 entries of test.example/log/1 that are not these"
        log.close()

    asyncio.run(scenario())


# --- times ---


@contextmanager
def at(time_s: int) -> Iterator[str]:
    signature = cosign(parse_note(LOG_OF_9.checkpoint), WITNESS_KEY, WITNESS.sign, time_s)
    with liar(HttpAnswer(200, signature.line().encode()), HttpAnswer(404, b"")) as where:
        yield where


@pytest.mark.parametrize("time_s", [0, 2**64 - 1, 2**63, 253_402_300_800])
def test_a_cosignature_of_no_time_is_none(time_s: int):
    with at(time_s) as where, pytest.raises(WitnessError, match="no time"):
        client_of(where).cosign(LOG_OF_9)


@pytest.mark.parametrize("apart_s", [-301, 301, -10_000_000, 10_000_000])
def test_a_cosignature_far_from_a_clock_that_is_right_is_refused_and_told_otherwise(apart_s: int):
    clock = [(NOW_S * 1000, SYNCED)]
    with at(NOW_S + apart_s) as where:
        client = WitnessClient(where, WITNESS_KEY, clock=lambda: clock[0])
        with pytest.raises(WitnessError, match=f"{abs(apart_s)} s (after|before)"):
            client.cosign(LOG_OF_9)
        clock[0] = (NOW_S * 1000, UNSYNCED)
        client.cosign(LOG_OF_9)
        assert "not synchronised" in client.remark
        clock[0] = ((NOW_S + apart_s) * 1000, SYNCED)
        client.cosign(LOG_OF_9)
        assert client.remark == ""

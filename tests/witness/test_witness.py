"""The witness: each answer that C2SP tlog-witness names, what it remembers, and what a client makes of it."""

import http.client
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from evidence.site_log import KEY, THIEF
from hypothesis import given
from hypothesis import strategies as st
from wayside.evidence.note import COSIGNATURE, NoteError, NoteKey, cosigned_at, parse_checkpoint, parse_note
from wayside.witness.client import AheadError, WitnessClient, WitnessError
from wayside.witness.exchange import exchange
from wayside.witness.service import WitnessServer
from wayside.witness.witness import Witness, encode_request, parse_request
from witness.setting import NOW_S, WITNESS, WITNESS_KEY, GrowingLog, ask, ask_epoch, new_witness, serving, url


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return new_witness(tmp_path)


def test_it_cosigns_what_extends_what_it_knows(witness: Witness):
    log = GrowingLog()
    old = 0
    for count in (3, 5, 1, 300):
        log.grow(count)
        status, body, _ = ask(witness, log, old)
        assert status == 200 and body.startswith("— witness.example/w1 ") and body.endswith("\n")
        signature = parse_note(log.checkpoint + body.encode()).verified_by(WITNESS_KEY)
        assert cosigned_at(signature) == NOW_S
        old = log.size
    assert ask(witness, log, old)[0] == 200, "the same again is co-signed again"


def test_an_old_size_that_it_does_not_know_is_409_with_its_own(witness: Witness):
    log = GrowingLog().grow(3)
    assert ask(witness, log, 2) == (409, "0\n", "text/x.tlog.size")
    assert ask(witness, log, 0)[0] == 200
    log.grow(3)
    assert ask(witness, log, 0) == (409, "3\n", "text/x.tlog.size")


def test_a_proof_that_does_not_hold_is_422(witness: Witness):
    log = GrowingLog().grow(3)
    assert ask(witness, log, 0, [bytes(32)])[0] == 422
    assert ask(witness, log, 0)[0] == 200
    log.grow(4)
    good = log.consistency_proof(3)
    for proof in ([], good[:-1], [*good, bytes(32)], [bytes(32), *good[1:]], [each[:31] for each in good]):
        assert ask(witness, log, 3, proof)[0] == 422
    assert ask(witness, log, 3)[0] == 200


def test_another_history_is_never_cosigned_and_is_kept_as_fraud(witness: Witness):
    log, fork = GrowingLog().grow(5), GrowingLog().grow(3).grow(2, b"other")
    assert ask(witness, log, 0)[0] == 200
    assert ask(witness, fork, 5) == (409, "5\n", "text/x.tlog.size")
    assert witness.frauds() == [(log.checkpoint, fork.checkpoint)]
    fork.grow(4)
    assert ask(witness, fork, 5)[0] == 422
    assert ask(witness, fork, 0) == (409, "5\n", "text/x.tlog.size")


def test_a_log_that_went_back_is_refused(witness: Witness):
    log = GrowingLog().grow(9)
    assert ask(witness, log, 0)[0] == 200
    assert ask(witness, GrowingLog().grow(4), 9, [])[0] == 400
    assert ask(witness, GrowingLog().grow(4), 4, [])[0] == 409


def test_unknown_logs_and_keys(witness: Witness):
    assert ask(witness, GrowingLog("other.example/log/0").grow(1), 0)[0] == 404
    assert ask(witness, GrowingLog(key=THIEF).grow(1), 0)[0] == 403


@pytest.mark.parametrize(
    "head",
    [b"", b"old 1", b"old 01\n\n", b"old -1\n\n", b"Old 0\n\n", b"old 0\r\n\r\n", b"old 0\nx\n\n", b"old 0 \n\n"],
)
def test_a_request_out_of_form_is_400(witness: Witness, head: bytes):
    assert witness.add_checkpoint(head + GrowingLog().grow(1).checkpoint).status == 400


def test_too_many_hashes_and_too_many_bytes_are_400(witness: Witness):
    log = GrowingLog().grow(1)
    assert ask(witness, log, 0, [bytes(32)] * 64)[0] == 400
    assert ask(witness, log, 0, [bytes(32)] * 63)[0] == 422
    assert witness.add_checkpoint(b"old 0\n\n" + bytes(1 << 20)).status == 400


@given(st.integers(0, 2**62), st.lists(st.binary(min_size=32, max_size=32), max_size=63))
def test_a_request_comes_back(old: int, proof: list[bytes]):
    request = parse_request(encode_request(old, proof, b"checkpoint"))
    assert request == (old, proof, b"checkpoint")


@given(st.binary(max_size=300), st.sampled_from([b"", b"old 0\n\n", b"old 1\nAAAA\n\n", b"old 7\n"]))
def test_any_bytes_are_a_request_or_an_error(junk: bytes, head: bytes):
    """What is taken is in its one form: written again it is the same bytes."""
    try:
        request = parse_request(head + junk)
    except NoteError:
        return
    assert encode_request(*request) == head + junk


@given(data=st.data())
def test_a_request_with_one_byte_changed_is_never_cosigned_as_something_else(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
):
    witness = new_witness(tmp_path_factory.mktemp("w"))
    log = GrowingLog().grow(6)
    good = encode_request(0, [], log.checkpoint)
    at = data.draw(st.integers(0, len(good) - 1))
    bad = good[:at] + bytes([data.draw(st.integers(0, 255).filter(lambda byte: byte != good[at]))]) + good[at + 1 :]
    assert witness.add_checkpoint(bad).status in (400, 403, 404, 409)


def test_it_remembers_over_a_restart(tmp_path: Path):
    log = GrowingLog().grow(5)
    for expected in (200, 409):
        witness = Witness(tmp_path / "w", WITNESS_KEY, WITNESS.sign, [KEY], lambda: NOW_S)
        assert ask(witness, log, 0)[0] == expected


def test_the_memory_of_an_earlier_version_is_taken_over(tmp_path: Path):
    """It had one table of origins, of which some were no names of logs, and no word of who had signed."""
    log = GrowingLog().grow(5)
    with sqlite3.connect(tmp_path / "w") as db:
        db.execute("CREATE TABLE cosigned(origin TEXT PRIMARY KEY, size INTEGER, root BLOB, note BLOB)")
        checkpoint = parse_checkpoint(parse_note(log.checkpoint))
        for origin in (log.origin, "site.example/log/00", "go.example"):
            row = (origin, checkpoint.size, checkpoint.root, log.checkpoint)
            db.execute("INSERT INTO cosigned VALUES(?, ?, ?, ?)", row)
    db.close()
    for _ in range(2):
        witness = Witness(tmp_path / "w", WITNESS_KEY, WITNESS.sign, [KEY], lambda: NOW_S)
        assert ask(witness, GrowingLog().grow(4), 0) == (409, "5\n", "text/x.tlog.size")
        assert ask(witness, GrowingLog("site.example/log/1").grow(4), 0)[0] == 403
    assert ask_epoch(witness, log.next(), log)[0] == 200


def test_nothing_is_signed_that_is_not_stored(tmp_path: Path):
    signed = []

    def sign(message: bytes) -> bytes:
        with sqlite3.connect(tmp_path / "w") as db:
            signed.append(db.execute("SELECT size FROM epoch").fetchall())
        return WITNESS.sign(message)

    witness = Witness(tmp_path / "w", WITNESS_KEY, sign, [KEY], lambda: NOW_S)
    assert ask(witness, GrowingLog().grow(5), 0)[0] == 200
    assert signed == [[(5,)]]


# --- the client, over real HTTP ---


@pytest.fixture
def server(witness: Witness) -> Iterator[WitnessServer]:
    with serving(witness) as server:
        yield server


def test_a_client_catches_up_with_an_outage_in_one_trip(server: WitnessServer):
    trips = []

    def counted(where: str, body: bytes | None) -> tuple[int, bytes]:
        trips.append(len(body or b""))
        return exchange(where, body)

    log = GrowingLog().grow(10)
    client = WitnessClient(url(server), WITNESS_KEY, counted)
    client.cosign(log)
    assert len(trips) == 1
    log.grow(2000)
    client.cosign(log)
    assert len(trips) == 2, "what the outage left behind took one proof"
    log.grow(1)
    again = WitnessClient(url(server), WITNESS_KEY, counted)
    again.cosign(log)
    assert len(trips) == 4, "a client that has forgotten is told the size"


def test_a_log_restored_from_a_copy_learns_it_from_the_witness(server: WitnessServer):
    WitnessClient(url(server), WITNESS_KEY).cosign(GrowingLog().grow(50))
    restored = WitnessClient(url(server), WITNESS_KEY, log_keys=[KEY.public])
    with pytest.raises(AheadError, match="has co-signed a tree of 50"):
        restored.cosign(GrowingLog().grow(20))


def test_many_at_once_leave_one_history(server: WitnessServer, witness: Witness):
    """The race of the specification: of two good requests the smaller must not overwrite the larger."""
    logs = [GrowingLog().grow(size) for size in range(1, 17)]

    def run(log: GrowingLog) -> None:
        try:
            WitnessClient(url(server), WITNESS_KEY).cosign(log)
        except WitnessError:
            return

    threads = [threading.Thread(target=run, args=(log,)) for log in logs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = GrowingLog().grow(17)
    status, body, _ = ask(witness, whole, 0)
    assert status == 409
    assert ask(witness, whole, int(body))[0] == 200


def test_another_witness_in_its_place_does_not_count(server: WitnessServer):
    other = NoteKey(WITNESS_KEY.name, COSIGNATURE, THIEF.public)
    with pytest.raises(WitnessError, match="no cosignature of its own"):
        WitnessClient(url(server), other).cosign(GrowingLog().grow(1))


def test_a_witness_that_is_not_there():
    client = WitnessClient("http://127.0.0.1:9/", WITNESS_KEY)
    with pytest.raises(WitnessError, match="cannot be reached"):
        client.cosign(GrowingLog().grow(1))


@pytest.mark.parametrize("status_body", [(200, b""), (200, b"junk\n"), (500, b"\xff"), (409, b"x\n"), (409, b"9" * 99)])
def test_nonsense_from_a_witness_is_an_error(status_body: tuple[int, bytes]):
    client = WitnessClient("http://127.0.0.1/", WITNESS_KEY, lambda where, body: status_body)
    with pytest.raises(WitnessError):
        client.cosign(GrowingLog().grow(1))


def test_other_paths_and_sizes_are_refused_over_http(server: WitnessServer):
    assert exchange(url(server) + "other", b"")[0] == 404
    assert exchange(url(server) + "add-checkpoint", None)[0] == 404
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=60)
    connection.putrequest("POST", "/add-checkpoint")
    connection.putheader("Content-Length", "65537")
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_a_sites_key_is_that_of_all_its_epochs_and_of_no_other_log(witness: Witness):
    assert ask(witness, GrowingLog("site.example/log/12").grow(1), 0)[0] == 200
    assert ask(witness, GrowingLog("site.example/log/12", key=THIEF).grow(1), 0)[0] == 403
    for origin in ("site.example/log/x", "site.example/log/", "site.example/log/0/log/0", "site.example"):
        assert ask(witness, GrowingLog(origin).grow(1), 0)[0] == 400
    assert ask(witness, GrowingLog("site.example.org/log/0").grow(1), 0)[0] == 404


def test_whoever_holds_a_sites_key_cannot_fill_the_disk_or_use_up_the_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("wayside.witness.witness.MAX_EPOCHS", 4)
    monkeypatch.setattr("wayside.witness.witness.MAX_EPOCHS_A_DAY", 4)
    now_s = NOW_S
    witness = Witness(tmp_path / "w", WITNESS_KEY, WITNESS.sign, [KEY], lambda: now_s)
    log = GrowingLog().grow(1)
    assert ask(witness, log, 0)[0] == 200
    for _ in range(3):
        before, log = log, log.next()
        assert ask_epoch(witness, log, before)[0] == 200
    before, log = log, log.next()
    assert ask_epoch(witness, log, before)[0] == 403
    before.grow(2)
    assert ask(witness, before, 1)[0] == 200, "the newest that it knows goes on"
    log = before.next()
    now_s += 86_401
    assert ask_epoch(witness, log, before)[0] == 200, "and tomorrow another may begin"
    far = GrowingLog(f"site.example/log/{5000}")
    far.before, far.items = log, log.next().items
    status, why = ask_epoch(witness, far, log)
    assert status == 403 and "too far" in why
    with sqlite3.connect(tmp_path / "w") as db:
        assert db.execute("SELECT number FROM epoch ORDER BY number").fetchall() == [(1,), (2,), (3,), (4,)]

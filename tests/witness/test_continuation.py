"""One history over the epochs of a site: what a witness asks before it co-signs another one, and the bytes of that."""

from itertools import product
from pathlib import Path

import pytest
from evidence.site_log import KEY, THIEF
from hypothesis import given
from hypothesis import strategies as st
from wayside.evidence import EvidenceError
from wayside.evidence.epoch import Continuation, EpochLink
from wayside.evidence.kinds import EpochBody
from wayside.evidence.note import ED25519, Checkpoint, NoteError, NoteKey, cosigned_at, parse_checkpoint, parse_note
from wayside.evidence.stream import KEYS
from wayside.trust.keys import SoftwareKey
from wayside.witness.continuation import encode_continuation, parse_continuation
from wayside.witness.witness import Witness, encode_request
from witness.setting import NOW_S, WITNESS_KEY, GrowingLog, ask, ask_epoch, new_witness, text_of

NEW = SoftwareKey(b"2" * 32)


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return new_witness(tmp_path)


def known(witness: Witness, size: int) -> GrowingLog:
    """An epoch 0 of which the witness has co-signed so much."""
    log = GrowingLog().grow(size)
    assert ask(witness, log, 0)[0] == 200
    return log


@pytest.mark.parametrize("more", [0, 1, 300])
def test_an_epoch_that_goes_on_from_what_is_known_is_cosigned_and_ends_it(witness: Witness, more: int):
    log = known(witness, 5)
    log.grow(more)
    after = log.next().grow(3)
    assert ask_epoch(witness, after, log, 5)[0] == 200
    assert text_of(witness.checkpoint("site.example").body) == text_of(after.checkpoint)
    log.grow(1)
    status, body, _ = ask(witness, log, 5 + more)
    assert (status, body) == (409, f"{5 + more}\n"), "the end that the new epoch names is what it holds of the old one"
    assert ask(witness, after.grow(2), 4)[0] == 200, "it goes on by plain add-checkpoint"


def test_without_what_ties_it_a_further_epoch_is_not_cosigned(witness: Witness):
    log = known(witness, 5)
    status, why, _ = ask(witness, log.next(), 0)
    assert status == 403 and "add-epoch" in why
    status, why, _ = ask(witness, GrowingLog("site.example/log/1").grow(9), 0)
    assert status == 403
    assert text_of(witness.checkpoint("site.example").body) == text_of(log.checkpoint)


def forged(name: str) -> tuple[GrowingLog, Continuation]:
    """What a thief of the log's key, who has seen everything that is public, may come with; 5 entries are known."""
    honest = GrowingLog().grow(5)
    other = GrowingLog().grow(9, b"forged")
    proof = other.consistency_proof(5)
    empty = GrowingLog()
    if name == "no epoch entry":
        log = GrowingLog("site.example/log/1").grow(1)
        return log, Continuation([log.link()], [])
    log = {
        "another history, larger": other.next(),
        "another history of the same size": GrowingLog().grow(5, b"forged").next(),
        "less than is known": honest.next(honest.checkpoint_at(4)),
        "nothing": honest.next(b""),
        "the empty log": empty.next(),
        "a note that does not fit the fields": honest.next(),
        "signed by another": honest.next(),
        "an entry that is not in the tree": honest.next(),
        "no links": honest.next(),
    }[name]
    link, hashes = log.link(), proof if "larger" in name else []
    if name == "a note that does not fit the fields":
        log = GrowingLog("site.example/log/1")
        log.add(KEYS, EpochBody(KEY.name, 9, bytes(32), "x", honest.checkpoint))
        link = log.link()
    if name == "signed by another":
        longer = GrowingLog(key=THIEF).grow(5).grow(4)
        log = GrowingLog(key=THIEF).grow(5).next(longer.checkpoint, key=honest.key)
        link, hashes = log.link(), longer.consistency_proof(5)
    if name == "an entry that is not in the tree":
        log = GrowingLog("site.example/log/1").grow(4)
    return log, Continuation([] if name == "no links" else [link], hashes)


@pytest.mark.parametrize(
    "name",
    [
        "another history, larger",
        "another history of the same size",
        "less than is known",
        "nothing",
        "the empty log",
        "a note that does not fit the fields",
        "signed by another",
        "an entry that is not in the tree",
        "no epoch entry",
        "no links",
    ],
)
def test_a_thief_of_the_logs_key_cannot_have_another_history_cosigned_as_the_next_epoch(witness: Witness, name: str):
    log = known(witness, 5)
    thiefs, continuation = forged(name)
    answer = witness.add_epoch(encode_continuation(continuation, encode_request(0, [], thiefs.checkpoint)))
    assert answer.status == (400 if name == "no links" else 422), answer
    assert ask(witness, log.grow(3), 5)[0] == 200, "and the epoch goes on"


def test_what_a_thief_can_still_do_is_to_go_on_from_where_the_witness_stands(witness: Witness):
    """Nothing that was co-signed is cut; who notices is the gateway: its next request meets what it has not signed."""
    log = known(witness, 5)
    thiefs = log.next().grow(2, b"thief's")
    assert ask_epoch(witness, thiefs, log)[0] == 200
    log.grow(4)
    status, _, _ = ask(witness, log, 5)
    assert status == 409
    assert text_of(witness.checkpoint("site.example").body) == text_of(thiefs.checkpoint), (
        "and this is what it is shown"
    )


def test_two_beginnings_of_one_epoch_are_a_proof_of_fraud(witness: Witness):
    log = known(witness, 5)
    first, second = log.next(), log.next()
    second.items[0] = second.items[0]._replace(salt=bytes(16))
    assert ask_epoch(witness, first, log)[0] == 200
    assert ask_epoch(witness, second, log)[0] == 409
    assert witness.frauds() == [(first.checkpoint, second.checkpoint)]
    assert ask_epoch(witness, second.grow(1), log)[0] == 409


@pytest.mark.parametrize("missed", [1, 2, 20])
def test_a_witness_that_was_away_is_led_over_the_epochs_that_it_missed(witness: Witness, missed: int):
    first = log = known(witness, 5)
    log.grow(2)
    for _ in range(missed + 1):
        log = log.next().grow(3)
    assert ask_epoch(witness, log, first, 5)[0] == 200
    assert ask(witness, first, 7)[0] == 409


@pytest.mark.parametrize("cut", [0, 1, 2])
def test_a_way_with_a_link_missing_leads_nowhere(witness: Witness, cut: int):
    first = log = known(witness, 5)
    for _ in range(3):
        log = log.next().grow(3)
    links, proof = log.continuation(first_checkpoint(first))
    links = [link for number, link in enumerate(links) if number != cut]
    data = encode_continuation(Continuation(links, proof), encode_request(0, [], log.checkpoint))
    assert witness.add_epoch(data).status == 422


def first_checkpoint(log: GrowingLog) -> Checkpoint:
    return parse_checkpoint(parse_note(log.checkpoint))


def test_a_restored_card_names_what_the_witness_shows_it(witness: Witness):
    """It has less than was co-signed: by itself that is a cut; with the witness's own checkpoint in it, it is told."""
    log = known(witness, 9)
    restored = GrowingLog().grow(4)
    assert ask_epoch(witness, restored.next(), restored)[0] == 422
    shown = witness.checkpoint("site.example").body.encode()
    after = restored.next(shown=[shown])
    assert ask_epoch(witness, after, log)[0] == 200
    assert ask(witness, log.grow(1), 9)[0] == 409


def test_a_disk_that_lost_everything_names_what_the_witness_shows_it(witness: Witness):
    log = known(witness, 9)
    after = GrowingLog().next(b"", shown=[log.checkpoint])
    assert ask_epoch(witness, after, log)[0] == 200


def test_after_a_rotation_the_new_key_goes_on_from_what_the_old_one_signed(tmp_path: Path):
    """The witness is told the new key in the place of the old one, whose signature it remembers."""
    log = known(new_witness(tmp_path), 5)
    log.grow(3)
    told = new_witness(tmp_path, NoteKey("site.example/log/1", ED25519, NEW.public))
    after = log.next(key=NEW)
    assert ask_epoch(told, after, log, 5)[0] == 200
    assert ask(told, after.grow(1), 1)[0] == 200
    thiefs = log.next()  # by the old key
    assert ask_epoch(told, thiefs, log)[0] == 403


def test_epochs_of_a_site_are_shown_by_its_name_and_no_other(witness: Witness):
    log = known(witness, 2)
    status, body, _, _ = witness.respond("GET", "/checkpoint/site.example", b"")
    note = parse_note(body.encode())
    assert status == 200 and note.text == text_of(log.checkpoint) and len(note.signatures) == 2
    assert note.verified_by(KEY) and cosigned_at(note.verified_by(WITNESS_KEY)) == NOW_S
    for path in ("/checkpoint/", "/checkpoint/site", "/checkpoint/site.example/log/0", "/checkpoint/site.example?x"):
        assert witness.respond("GET", path, b"").status == 404
    assert witness.respond("POST", "/checkpoint/site.example", b"").status == 404


def test_a_site_of_which_nothing_is_known_begins_with_any_epoch(witness: Witness):
    assert ask(witness, GrowingLog("site.example/log/12").grow(1), 0)[0] == 200
    for epoch in (0, 11):
        assert ask(witness, GrowingLog(f"site.example/log/{epoch}").grow(1), 0)[0] == 409


# --- the bytes ---

HASHES = st.lists(st.binary(min_size=32, max_size=32), max_size=3)
LINKS = st.builds(EpochLink, st.binary(min_size=16, max_size=16), st.binary(min_size=1, max_size=40), HASHES)
CONTINUATIONS = st.builds(Continuation, st.lists(LINKS, min_size=1, max_size=4), HASHES)


@given(CONTINUATIONS, st.binary(max_size=50))
def test_a_request_comes_back(continuation: Continuation, request: bytes):
    assert parse_continuation(encode_continuation(continuation, request)) == (continuation, request)


@given(st.binary(max_size=200), st.sampled_from([b"", b"beginning ", b"beginning A B\nknown\n\n", b"known\n\n"]))
def test_any_bytes_are_a_request_in_its_one_form_or_an_error(junk: bytes, head: bytes):
    try:
        continuation, request = parse_continuation(head + junk)
    except NoteError:
        return
    assert encode_continuation(continuation, request) == head + junk


def test_no_changed_byte_of_a_request_has_another_history_cosigned(tmp_path: Path):
    log = GrowingLog().grow(3)
    after = log.next()
    continuation = after.continuation(first_checkpoint(log))
    good = encode_continuation(continuation, encode_request(0, [], after.checkpoint))
    witness = new_witness(tmp_path)
    assert ask(witness, log, 0)[0] == 200
    for at, flip in product(range(0, len(good), 7), (1, 128)):
        bad = good[:at] + bytes([good[at] ^ flip]) + good[at + 1 :]
        assert witness.add_epoch(bad).status in (400, 403, 404, 409, 422)
    assert witness.add_epoch(good).status == 200


@pytest.mark.parametrize("size", [65_537, 1 << 20])
def test_a_request_that_is_too_long_is_refused(witness: Witness, size: int):
    assert witness.add_epoch(b"beginning " + bytes(size)).status == 400


def test_too_many_links_and_hashes_are_refused():
    link = EpochLink(bytes(16), b"x", [])
    with pytest.raises(EvidenceError):
        parse_continuation(encode_continuation(Continuation([link] * 65, []), b""))
    with pytest.raises(EvidenceError):
        parse_continuation(encode_continuation(Continuation([link], [bytes(32)] * 64), b""))

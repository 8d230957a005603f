"""A log whose disk was restored from a copy asks its witnesses before it signs; real log, real HTTP."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from log.made import a_note
from wayside.evidence.entry import decode_entry
from wayside.evidence.epoch import EpochBeginning, check_beginning, opener, read_beginning
from wayside.evidence.kinds import EpochBody
from wayside.evidence.note import COSIGNATURE, ED25519, NoteKey, parse_checkpoint, parse_note
from wayside.evidence.origin import parse_origin
from wayside.log import Log, LogError, LogReader, keep_cosigned, read_cosigned
from wayside.trust.keys import SoftwareKey
from wayside.witness.client import AheadError, UnshownError, WitnessClient
from wayside.witness.collect import newest_held
from witness.setting import WITNESS_KEY, new_witness, serving, text_of, url

KEY = SoftwareKey(b"l" * 32)
EPOCHS = [NoteKey(f"test.example/log/{epoch}", ED25519, KEY.public) for epoch in range(5)]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[WitnessClient]:
    with serving(new_witness(tmp_path, *EPOCHS)) as server:
        yield WitnessClient(url(server), WITNESS_KEY, log_keys=[KEY.public])


def open_log(folder: Path, client: WitnessClient, *more: WitnessClient | SoftwareKey) -> Log:
    clients = [client, *(each for each in more if isinstance(each, WitnessClient))]
    key = next((each for each in more if isinstance(each, SoftwareKey)), KEY)
    asked = partial(newest_held, clients)
    return Log(folder, "test.example", key.public, key.sign, lambda: (1_700_000_000_000, 2), witnessed=asked)


def grow(log: Log, count: int, text: bytes = b"entry") -> None:
    log.append_entries([a_note(b"%s %d" % (text, index)) for index in range(count)])


def test_a_log_as_the_witness_knows_it_goes_on(tmp_path: Path, client: WitnessClient):
    for _ in range(3):
        log = open_log(tmp_path / "log", client)
        grow(log, 300)
        client.cosign(log)
        grow(log, 5)
        assert log.origin == "test.example/log/0" and not log.found
        log.close()


def test_each_restored_copy_begins_an_epoch_of_its_own(tmp_path: Path, client: WitnessClient):
    folder, copy = tmp_path / "log", tmp_path / "copy"
    log = open_log(folder, client)
    grow(log, 4)
    log.close()
    shutil.copytree(folder, copy)
    log = open_log(folder, client)
    grow(log, 6)
    client.cosign(log)
    log.close()
    for expected in ("test.example/log/1", "test.example/log/2"):
        shutil.rmtree(folder)
        shutil.copytree(copy, folder)
        log = open_log(folder, client)
        assert log.origin == expected and "a witness has co-signed" in log.found
        client.cosign(log)
        log.close()


def test_a_copy_that_has_all_of_an_epoch_that_ended_does_not_go_on_with_it(tmp_path: Path, client: WitnessClient):
    log = open_log(tmp_path / "log", client)
    grow(log, 4)
    client.cosign(log)
    log.close()
    shutil.copytree(tmp_path / "log", tmp_path / "copy")
    (tmp_path / "log" / "epoch-0.sqlite").unlink()
    log = open_log(tmp_path / "log", client)
    client.cosign(log)
    assert log.origin == "test.example/log/1"
    log.close()
    log = open_log(tmp_path / "copy", client)
    assert log.origin == "test.example/log/2"
    log.close()


def test_an_empty_disk_with_the_old_key_does_not_sign_the_first_epoch_again(tmp_path: Path, client: WitnessClient):
    log = open_log(tmp_path / "log", client)
    grow(log, 4)
    client.cosign(log)
    log.close()
    shutil.rmtree(tmp_path / "log")
    log = open_log(tmp_path / "log", client)
    assert log.origin == "test.example/log/1" and log.size == 1
    log.close()


def beginning(log: Log) -> EpochBeginning:
    body = decode_entry(log.records(0, 1)[0].entry).body
    assert isinstance(body, EpochBody)
    check_beginning(body, parse_origin(log.origin), opener([KEY.public]))
    return read_beginning(body)


def held_by(client: WitnessClient) -> list[bytes]:
    return newest_held([client], "test.example")


def test_a_restored_copy_names_what_it_had_and_what_was_cosigned(tmp_path: Path, client: WitnessClient):
    log = open_log(tmp_path / "log", client)
    grow(log, 4)
    had = log.checkpoint
    log.close()
    shutil.copytree(tmp_path / "log", tmp_path / "copy")
    log = open_log(tmp_path / "log", client)
    grow(log, 6)
    client.cosign(log)
    held = log.checkpoint
    log.close()
    log = open_log(tmp_path / "copy", client)
    told = beginning(log)
    assert (str(told.before), told.size, told.note) == ("test.example/log/0", 4, had)
    assert list(map(text_of, told.shown)) == [text_of(held)]
    client.cosign(log)
    grow(log, 2)
    client.cosign(log)
    assert list(map(text_of, held_by(client))) == [text_of(log.checkpoint)]
    log.close()


def test_two_witnesses_that_hold_different_ends_are_both_answered(tmp_path: Path):
    clients = []
    with ExitStack() as stack:
        for number in range(2):
            secret, folder = SoftwareKey(bytes([number]) * 32), tmp_path / f"witness-{number}"
            folder.mkdir()
            named = NoteKey(f"w.example/{number}", COSIGNATURE, secret.public)
            server = stack.enter_context(serving(new_witness(folder, *EPOCHS, key=secret, name=named.name)))
            clients.append(WitnessClient(url(server), named, log_keys=[KEY.public]))
        log = open_log(tmp_path / "log", *clients)
        log.close()
        shutil.copytree(tmp_path / "log", tmp_path / "copy")
        log = open_log(tmp_path / "log", *clients)
        held = set()
        for each in clients:
            grow(log, 5)
            each.cosign(log)
            held.add(text_of(log.checkpoint))
        log.close()
        log = open_log(tmp_path / "copy", *clients)
        assert log.origin == "test.example/log/1" and set(map(text_of, beginning(log).shown)) == held
        for each in clients:
            each.cosign(log)
        log.close()


def test_a_disk_that_lost_its_entries_can_still_be_tied_to_what_was_cosigned(tmp_path: Path, client: WitnessClient):
    """The tree is gone, and with it every consistency proof: so the witness's own checkpoint is named."""
    log = open_log(tmp_path, client)
    grow(log, 4)
    client.cosign(log)
    held = log.checkpoint
    grow(log, 6)
    last = log.checkpoint
    log.close()
    (tmp_path / "epoch-0.sqlite").unlink()
    log = open_log(tmp_path, client)
    told = beginning(log)
    assert (told.size, told.note, *map(text_of, told.shown)) == (10, last, text_of(held))
    client.cosign(log)
    log.close()


def test_a_disk_that_lost_its_signature_names_what_the_witness_shows(tmp_path: Path, client: WitnessClient):
    log = open_log(tmp_path, client)
    grow(log, 4)
    client.cosign(log)
    held = log.checkpoint
    grow(log, 6)
    log.close()
    (tmp_path / "epoch-0.signed").write_bytes(bytes(8192))
    log = open_log(tmp_path, client)
    told = beginning(log)
    assert (told.size, told.note, *map(text_of, told.shown)) == (10, b"", text_of(held))
    client.cosign(log)
    log.close()


def test_a_witness_that_was_away_when_an_epoch_was_lost_is_answered_by_the_next(tmp_path: Path, client: WitnessClient):
    log = open_log(tmp_path, client)
    grow(log, 4)
    client.cosign(log)
    held = log.checkpoint
    grow(log, 6)
    log.close()
    (tmp_path / "epoch-0.sqlite").unlink()
    log = open_log(tmp_path, WitnessClient("http://127.0.0.1:9", WITNESS_KEY))
    assert log.origin == "test.example/log/1" and beginning(log).shown == ()
    with pytest.raises(AheadError, match=r"tree of 4 of test\.example/log/0"):
        client.cosign(log)
    log.close()
    log = open_log(tmp_path, client)
    told = beginning(log)
    assert (str(told.before), *map(text_of, told.shown)) == ("test.example/log/1", text_of(held))
    client.cosign(log)
    log.close()
    log = open_log(tmp_path, client)
    assert (log.origin, log.found) == ("test.example/log/2", ""), "and that is that"
    log.close()


def test_epochs_that_a_witness_missed_are_no_reason_for_another(tmp_path: Path, client: WitnessClient):
    log = open_log(tmp_path, client)
    grow(log, 300)
    client.cosign(log)
    grow(log, 300)
    for _ in range(3):
        log.rotate(KEY.public, KEY.sign, lambda: (0, 2))  # the same key again: what counts is that epochs begin
        grow(log, 3)
    log.close()
    log = open_log(tmp_path, client)
    assert (log.origin, log.found) == ("test.example/log/3", "")
    client.cosign(log)
    reader = LogReader(tmp_path)
    client.cosign(reader)
    reader.close()
    log.close()


def test_a_rotated_key_goes_on_with_a_witness_that_was_told_it(tmp_path: Path):
    new = SoftwareKey(b"2" * 32)
    with serving(new_witness(tmp_path, *EPOCHS)) as server:
        client = WitnessClient(url(server), WITNESS_KEY, log_keys=[KEY.public])
        log = open_log(tmp_path / "log", client)
        grow(log, 300)
        client.cosign(log)
        grow(log, 5)
        log.rotate(new.public, new.sign, lambda: (0, 2))
        log.close()
    with serving(new_witness(tmp_path, NoteKey("test.example/log/1", ED25519, new.public))) as server:
        client = WitnessClient(url(server), WITNESS_KEY, log_keys=[new.public])
        log = open_log(tmp_path / "log", client, new)
        assert (log.origin, log.found) == ("test.example/log/1", "")
        client.cosign(log)
        assert list(map(text_of, held_by(client))) == [text_of(log.checkpoint)]
        log.close()


def test_what_is_newer_than_a_reader_is_looked_for_on_the_disk_and_what_cannot_be_read_is_no_contradiction(
    tmp_path: Path, client: WitnessClient
):
    """A thread that was slow asks with an older checkpoint than another has shown meanwhile."""
    log = open_log(tmp_path, client)
    grow(log, 3)
    slow = LogReader(tmp_path)
    grow(log, 3)
    client.cosign(log)
    with pytest.raises(UnshownError, match="all that it shows is contained"):
        client.cosign(slow)
    signed = tmp_path / "epoch-0.signed"
    signed.rename(tmp_path / "away")
    with pytest.raises(LogError):
        client.cosign(slow)
    (tmp_path / "away").rename(signed)
    slow.close()
    log.close()


def test_without_an_answer_the_log_opens(tmp_path: Path):
    log = open_log(tmp_path / "log", WitnessClient("http://127.0.0.1:9", WITNESS_KEY))
    grow(log, 1)
    assert log.origin == "test.example/log/0"
    log.close()


def test_the_log_can_be_read_as_it_was_when_it_was_cosigned(tmp_path: Path, client: WitnessClient):
    folder = tmp_path / "log"
    log = open_log(folder, client)
    grow(log, 300)
    assert read_cosigned(folder) == b""
    note = parse_note(log.checkpoint).with_signatures([client.cosign(log)])
    assert keep_cosigned(folder, note) == 1
    assert keep_cosigned(folder, parse_note(log.checkpoint)) == 1
    assert read_cosigned(folder) == note.encode(), "what was there of the same checkpoint stays"
    grow(log, 300)
    reader = LogReader(folder, read_cosigned(folder))
    assert reader.size == 300 and reader.checkpoint == note.encode()
    assert reader.root == parse_checkpoint(note).root
    reader.close()
    with pytest.raises(LogError, match="not as its checkpoint"):
        LogReader(folder, note.encode().replace(b"\n300\n", b"\n299\n"))
    log.close()

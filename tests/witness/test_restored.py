"""A log whose disk was restored from a copy asks its witnesses before it signs; real log, real HTTP."""

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from wayside.evidence.note import ED25519, NoteKey, parse_checkpoint, parse_note
from wayside.log import Append, Log, LogError, LogReader, keep_cosigned, read_cosigned
from wayside.trust.keys import SoftwareKey
from wayside.witness.client import WitnessClient
from wayside.witness.collect import high_water
from witness.setting import WITNESS_KEY, new_witness, serving, url

KEY = SoftwareKey(b"l" * 32)
EPOCHS = [NoteKey(f"test.example/log/{epoch}", ED25519, KEY.public) for epoch in range(5)]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[WitnessClient]:
    with serving(new_witness(tmp_path, *EPOCHS)) as server:
        yield WitnessClient(url(server), WITNESS_KEY)


def open_log(folder: Path, client: WitnessClient) -> Log:
    asked = partial(high_water, [client])
    return Log(folder, "test.example", KEY.public, KEY.sign, lambda: (1_700_000_000_000, 2), witnessed=asked)


def grow(log: Log, count: int, text: bytes = b"entry") -> None:
    log.append([Append("m", b"%s %d" % (text, index)) for index in range(count)])


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

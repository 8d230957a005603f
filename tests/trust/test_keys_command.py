"""`wayside keys` as people type it: on a gateway that runs, and on one that does not."""

import asyncio
import shutil
import stat
from pathlib import Path

import pytest
from trust.typed import FIRST, SECOND, SITE, Site, running
from wayside.daemon import manage
from wayside.daemon.daemon import Daemon
from wayside.evidence.note import COSIGNATURE, NoteKey
from wayside.site import log as site_log
from wayside.site import state
from wayside.trust.registry import new_challenge
from wayside_wire import enrol


def test_from_the_first_key_to_the_lost_board_while_the_gateway_runs(site: Site):
    async def scenario(daemon: Daemon) -> None:
        assert stat.S_IMODE((site.folder / "state" / manage.SOCKET).stat().st_mode) == 0o600
        assert "is not registered" in await site.deliver(daemon, FIRST)
        challenge = new_challenge()
        proof = enrol.make_proof(challenge, FIRST.public, FIRST.sign, "UNIX", "1", 0)
        answer = ["--challenge", challenge.hex(), "--proof", proof.hex()]
        assert "1 entry" in await site.typed("enrol", "node-1", FIRST.public.hex(), *answer)
        assert "nothing to do" in await site.typed("enrol", "node-1", FIRST.public.hex())
        assert await site.deliver(daemon, FIRST) == ""
        assert "2 entries" in await site.typed("replace", "node-1", SECOND.public.hex(), "--reason", "lightning")
        assert "was revoked by entry" in await site.deliver(daemon, FIRST)
        assert await site.deliver(daemon, SECOND) == ""
        await site.typed("lost", "node-1")
        assert "(lost)" in await site.deliver(daemon, SECOND)
        assert "let the board make a new key" in await site.typed("enrol", "node-1", SECOND.public.hex(), status=1)

    running(site, scenario)
    table = site.keys("list")
    assert "node-1           node" in table and "lightning" in table and "meter-2 (eastron-sdm630)" in table
    holds, findings = site.judged(site.log_key().public)
    assert holds and "2 packs (2 device-attested)" in findings["meter-1 signatures"]
    assert "(lightning)" in findings["meter-1 revocation"] and "(lost)" in findings["meter-1 revocation"]


def test_packs_that_come_while_a_key_is_being_revoked_stand_before_or_are_refused(site: Site):
    async def scenario(daemon: Daemon) -> None:
        await site.typed("enrol", "node-1", FIRST.public.hex())
        revoking = asyncio.create_task(site.typed("revoke", "node-1", "--reason", "stolen"))
        while not revoking.done():
            await site.deliver(daemon, FIRST)
            await asyncio.sleep(0.001)
        assert "stolen" in await site.deliver(daemon, FIRST)

    running(site, scenario)
    holds, findings = site.judged(site.log_key().public)
    assert holds, findings


def test_without_a_gateway_the_command_does_it_itself(site: Site):
    site.keys("enrol", "node-1", FIRST.public.hex())
    assert "wayside keys replace" in site.keys("enrol", "node-1", SECOND.public.hex(), status=1)
    assert "is not a node of the site file" in site.keys("enrol", "node-9", SECOND.public.hex(), status=1)

    async def scenario(daemon: Daemon) -> None:
        assert await site.deliver(daemon, FIRST) == ""

    running(site, scenario)


def test_nonsense_on_the_socket_costs_itself_only(site: Site):
    async def scenario(daemon: Daemon) -> None:
        path = site.folder / "state" / manage.SOCKET
        for line in (b"nonsense\n", b"[]\n", b'{"do": 1}\n', b"x" * 200_000 + b"\n", b""):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(line)
            if line:
                answer = await reader.readline()
                assert answer == b"" or b'"ok": false' in answer
            writer.close()
        assert "done" in await site.typed("enrol", "node-1", FIRST.public.hex())

    running(site, scenario)


def test_backup_and_restore(site: Site, tmp_path: Path):
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse battery\n")
    site.keys("enrol", "node-1", FIRST.public.hex())
    public = site.log_key().public
    where = [str(tmp_path / "backup"), "--passphrase-file", str(passphrase)]
    site.keys("backup", *where)
    assert "is there already" in site.keys("restore", *where)
    (site.folder / "state" / "log.key").unlink()
    assert "log: restored" in site.keys("restore", *where)
    assert site.log_key().public == public
    shutil.rmtree(site.folder / "state")
    state.run_note(site.path).unlink()  # a new card, with the site file and the backup
    site.keys("restore", *where)
    assert "keys without their log" in site.keys("enrol", "node-1", FIRST.public.hex(), status=1)
    passphrase.write_text("wrong horse battery\n")
    assert "passphrase is wrong" in site.keys("restore", *where, status=1)


def test_whoever_opens_the_log_asks_the_witnesses_before_signing(site: Site, monkeypatch: pytest.MonkeyPatch):
    witness = NoteKey("witness.example/w1", COSIGNATURE, SECOND.public)
    lines = f'[[witness]]\nname = "w1"\nurl = "http://127.0.0.1:1"\nvkey = "{witness}"\n'
    site.path.write_text(SITE + lines)
    asked: list[int] = []
    monkeypatch.setattr(site_log, "newest_held", lambda clients, *_: asked.append(len(clients)) or [])
    site.keys("enrol", "node-1", FIRST.public.hex())
    assert asked and set(asked) == {1}
    # Keys whose log is lost may go on where a witness can be asked how far it had gone.
    shutil.rmtree(site.folder / "state" / "log")
    before = len(asked)
    assert "1 entry" in site.keys("enrol", "node-1", FIRST.public.hex()) and len(asked) > before

"""`wayside keys` as people type it: on a gateway that runs, on one that does not, and cut off in the middle."""

import asyncio
import stat
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest
from wayside import config
from wayside.cli import main
from wayside.clock import SystemClock
from wayside.daemon import manage
from wayside.daemon.daemon import Daemon
from wayside.evidence.bundle import write_bundle
from wayside.evidence.certificate import Trust
from wayside.evidence.note import COSIGNATURE, ED25519, NoteKey
from wayside.evidence.verify import verify_bundle
from wayside.intake.intake import Source
from wayside.log import Log, LogReader
from wayside.reading import Refused
from wayside.site import log as site_log
from wayside.trust.keys import SoftwareKey, load
from wayside.trust.registry import new_challenge, read_keyring
from wayside_wire import enrol
from wayside_wire.pack import NO_PREVIOUS, SYNCED, Pack, Reading, pack_hash, sign_pack

FIRST, SECOND = SoftwareKey(b"1" * 32), SoftwareKey(b"2" * 32)
SITE = """
[site]
name = "test.example"
[[node]]
name = "node-1"
port = "/nowhere"
devices = ["meter-1"]
[[bus]]
name = "cabinet"
endpoint = "tcp://127.0.0.1:1"
[[bus.device]]
name = "meter-2"
unit = 1
profile = "eastron-sdm630"
"""


class Site:
    """A site file in a folder, and packs of its node."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]):
        self.path = folder / "site.toml"
        self.path.write_text(SITE)
        self.folder = folder
        self._capsys = capsys
        self._previous = NO_PREVIOUS
        self._sequence = 0

    def daemon(self) -> Daemon:
        return Daemon(config.load(self.path), self.path, SystemClock())

    def keys(self, verb: str, *words: str, status: int = 0) -> str:
        assert main(["keys", verb, str(self.path), *words]) == status
        told = self._capsys.readouterr()
        return told.out + told.err

    async def typed(self, verb: str, *words: str, status: int = 0) -> str:
        return await asyncio.to_thread(lambda: self.keys(verb, *words, status=status))

    def pack(self, key: SoftwareKey) -> bytes:
        reading = Reading("voltage_l1", "V", 2300, -1, 0, "", 1)
        raw: bytes = sign_pack(
            Pack("meter-1", 1, self._sequence, SYNCED, self._previous, (reading,)), key.kid, key.sign
        )
        return raw

    async def deliver(self, daemon: Daemon, key: SoftwareKey) -> str:
        """ "" when the pack is taken, else why not."""
        raw = self.pack(key)
        try:
            await daemon.intake.accept(raw, (1, 0), Source("node-1", frozenset({"meter-1"})))
        except Refused as error:
            return str(error)
        self._previous, self._sequence = pack_hash(raw), self._sequence + 1
        return ""

    def judged(self, *trusted: bytes) -> tuple[bool, dict[str, str]]:
        log = LogReader(self.folder / "state" / "log")
        bundle = write_bundle(self.folder / "all", log)
        log.close()
        holds, findings = verify_bundle(bundle, Trust(log_keys=frozenset(trusted)))
        return holds, {each.subject: each.text for each in findings}

    def log_key(self) -> SoftwareKey:
        return load(self.folder / "state" / "log.key")


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Site:
    return Site(tmp_path, capsys)


def running(site: Site, scenario: Callable[[Daemon], Coroutine[None, None, None]]) -> None:
    async def whole() -> None:
        daemon = site.daemon()
        task = asyncio.create_task(daemon.run())
        try:
            async with asyncio.timeout(60):
                while not (site.folder / "state" / manage.SOCKET).exists():
                    await asyncio.sleep(0.01)
                await scenario(daemon)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(whole())


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


def test_the_owners_word_from_the_request_to_the_strangers_verdict(site: Site, tmp_path: Path):
    root, request, certificates = (str(tmp_path / name) for name in ("root.key", "request", "certificates"))
    assert main(["keys", "make", root]) == 0
    assert main(["keys", "make", root]) == 1, "a root key is not overwritten"
    assert stat.S_IMODE(Path(root).stat().st_mode) == 0o600
    site.keys("enrol", "node-1", FIRST.public.hex())
    shown = site.keys("request", request).splitlines()
    assert main(["keys", "certify", request, certificates, "--root", root]) == 0
    told = site._capsys.readouterr().out
    assert all(line in told for line in shown[:2]), "both print the same fingerprints"
    assert "2 entries" in site.keys("install", certificates)
    assert "nothing to do" in site.keys("install", certificates)

    async def scenario(daemon: Daemon) -> None:
        assert await site.deliver(daemon, FIRST) == ""

    running(site, scenario)
    evidence = str(tmp_path / "evidence")
    assert main(["export", str(site.path), evidence]) == 0
    assert main(["verify", evidence, "--root", load(Path(root)).public.hex()]) == 0
    assert main(["verify", evidence, "--root", FIRST.public.hex()]) == 1


def test_a_new_identity_ends_the_old_one(site: Site):
    site.keys("enrol", "node-1", FIRST.public.hex())
    old = load(site.folder / "state" / "identity.key")
    site.keys("rotate", "identity")
    log = LogReader(site.folder / "state" / "log")
    keyring = read_keyring(log)
    log.close()
    assert keyring.get(old.kid).until is not None
    assert keyring.get(load(site.folder / "state" / "identity.key").kid).until is None


def test_keys_are_not_rotated_under_a_running_gateway(site: Site):
    async def scenario(_: Daemon) -> None:
        assert "stop it first" in await site.typed("rotate", "log", status=1)

    running(site, scenario)


def rotate(site: Site) -> tuple[SoftwareKey, SoftwareKey]:
    old = site.log_key()
    told = site.keys("rotate", "log")
    new = site.log_key()
    assert str(NoteKey("test.example/log/1", ED25519, new.public)) in told
    return old, new


def test_a_new_log_key_begins_an_epoch_and_the_old_key_leads_to_it(site: Site):
    site.keys("enrol", "node-1", FIRST.public.hex())
    old, new = rotate(site)
    assert old.public != new.public

    async def scenario(daemon: Daemon) -> None:
        assert await site.deliver(daemon, FIRST) == "", "the registry goes over to the new epoch"

    running(site, scenario)
    for trusted in (old, new):
        holds, findings = site.judged(trusted.public)
        assert holds, findings
    assert main(["log", str(site.path), "--entries", "20"]) == 0
    assert '"kind": "key"' in site._capsys.readouterr().out
    assert f"bridged from log key {new.kid.hex()}" not in findings["checkpoint"]
    assert not site.judged(SECOND.public)[0]


@pytest.mark.parametrize("cut_before", ["rotate", "replace", "announce"])
def test_a_rotation_that_is_cut_off_is_finished_or_undone(site: Site, monkeypatch: pytest.MonkeyPatch, cut_before: str):
    site.keys("enrol", "node-1", FIRST.public.hex())
    old = site.log_key()

    class Cut(BaseException):
        pass

    def cut(*_: object, **__: object) -> None:
        raise Cut

    with monkeypatch.context() as patched, pytest.raises(Cut):
        if cut_before == "rotate":
            patched.setattr(Log, "rotate", cut)
        elif cut_before == "replace":
            patched.setattr(Path, "replace", cut)
        else:
            real = Log.rotate

            def rotate_and_cut(log: Log, *args: object) -> None:
                real(log, *args)  # type: ignore[arg-type]
                patched.setattr(site_log, "announce", cut)

            patched.setattr(Log, "rotate", rotate_and_cut)
        main(["keys", "rotate", str(site.path), "log"])

    async def scenario(daemon: Daemon) -> None:
        assert await site.deliver(daemon, FIRST) == ""

    running(site, scenario)
    assert "node-1" in site.keys("list")
    assert (site.log_key().public == old.public) is (cut_before == "rotate")
    holds, findings = site.judged(old.public)
    assert holds, findings


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

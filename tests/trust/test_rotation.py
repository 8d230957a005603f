"""The gateway's own keys: made once, missed when they are gone, and followed by others, cut off anywhere."""

import shutil
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trust.typed import FIRST, SECOND, SITE, Owner, Site, deliver, deliver_nothing, request, running
from waiting import until
from wayside.cli import main
from wayside.daemon import manage
from wayside.daemon.daemon import Daemon
from wayside.evidence.bundle import write_bundle
from wayside.evidence.certificate import Trust
from wayside.evidence.entry import encode_unplaced
from wayside.evidence.kinds import ClockBody
from wayside.evidence.note import ED25519, NoteKey
from wayside.evidence.verify import verify_bundle
from wayside.log import Append, Log, LogReader
from wayside.site import log as site_log
from wayside.site import state
from wayside.trust.keys import _PUBLISHED, KeyFileError, SoftwareKey, load, of_seed
from wayside.trust.registry import read_keyring
from wayside_wire.pack import Reading

# --- the gateway's own keys: made once, missed when they are gone ---


def test_a_key_that_is_missing_beside_its_log_is_not_made_anew(site: Site):
    deliver_nothing(site)
    for name, then in (("log", "begin anew: wayside run --new-state"), ("identity", "wayside keys rotate")):
        path = site.folder / "state" / f"{name}.key"
        kept = path.read_bytes()
        path.write_bytes(b"")
        assert then in site.keys("enrol", "node-1", FIRST.public.hex(), status=1)
        path.unlink()
        assert then in site.keys("enrol", "node-1", FIRST.public.hex(), status=1)
        assert then in site.keys("request", str(site.folder / "r"), status=1)
        assert then in site.start()
        assert "leave --new-state out" in site.start("--new-state")
        assert not path.exists()
        path.unlink(missing_ok=True)
        path.write_bytes(kept)
        path.chmod(0o600)
    deliver_nothing(site)


def test_a_second_history_is_begun_when_it_is_asked_for_and_not_before(site: Site):
    deliver_nothing(site)
    before = site.log_key().public
    folder = site.folder / "state"
    folder.rename(site.folder / "elsewhere")
    for is_mount_point in (False, True):
        if is_mount_point:
            folder.mkdir(exist_ok=True)
        enrolling, asking = ["enrol", "node-1", FIRST.public.hex()], ["request", str(site.folder / "r")]
        for told in (site.start(), site.keys(*enrolling, status=1), site.keys(*asking, status=1)):
            assert "this site has run before" in told and "is its disk mounted?" in told and "--new-state" in told
        assert not list(folder.glob("*.key"))
    said = site.start("--new-state", stop_at=site.folder / "state" / manage.SOCKET)
    assert "there is no such port" in said and said.count("\n") == 1, "of a node that is not there, and nothing else"
    assert site.log_key().public != before
    assert "leave --new-state out" in site.start("--new-state")
    deliver_nothing(site)


def test_keys_without_their_log_sign_no_second_one(site: Site):
    """With witnesses they may: tests/witness/test_gateway.py."""
    deliver_nothing(site)
    shutil.rmtree(site.folder / "state" / "log")
    assert "keys without their log" in site.start()
    assert "proof of fraud" in site.start("--new-state")


def test_a_log_that_lost_its_last_checkpoint_still_says_so_itself(site: Site):
    deliver_nothing(site)
    (site.folder / "state" / "log" / "epoch-0.signed").unlink()
    deliver_nothing(site)
    assert "test.example/log/1+" in site.verifier_key()


GUESSED = [
    (bytes(32), "its bytes repeat"),
    (b"\x00\x01" * 16, "its bytes repeat"),
    (bytes(range(16)) * 2, "its bytes repeat"),
    (bytes(range(10)) * 3 + b"\x00\x01", "its bytes repeat"),
    (bytes(range(32)), "its bytes only count"),
    (bytes(range(255, 223, -1)), "its bytes only count"),
    (b"this is the key of our gateway 7", "it is text"),
    (sha256(b"").hexdigest()[:32].encode(), "it is text"),
    (bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"), "it is printed in a standard"),
]


def test_the_keys_that_a_standard_prints_are_those_that_it_prints():
    """RFC 8032 section 7.1, TEST 1 and TEST SHA(abc): the public keys."""
    publics = [SoftwareKey(bytes.fromhex(seed)).public.hex() for seed in _PUBLISHED]
    assert publics[0] == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert publics[-1] == "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf"


@given(st.binary())
def test_a_random_key_is_taken(noise: bytes):
    seed = sha256(noise).digest()
    assert of_seed(Path("k"), seed).public == SoftwareKey(seed).public


@pytest.mark.parametrize(("seed", "why"), GUESSED)
def test_a_key_that_can_be_guessed_is_refused(seed: bytes, why: str):
    with pytest.raises(KeyFileError, match=f"anybody can guess this key, {why}"):
        of_seed(Path("k"), seed)


def test_a_missing_secret_is_found_before_anything_is_made(site: Site):
    site.path.write_text(SITE + '[[sink]]\nname = "city"\nkind = "mqtt"\nurl = "mqtts://b:8883"\npassword_file = "p"\n')
    for words in ((), ("--new-state",)):
        assert "secrets/passwords/p: is not there" in site.start(*words)
        assert not (site.folder / "state").exists() and not state.run_note(site.path).exists()


def test_what_is_no_key_is_not_signed_with(site: Site):
    folder = site.folder / "state"
    folder.mkdir()
    (folder / "identity.key").write_bytes(bytes(32))
    (folder / "identity.key").chmod(0o600)
    assert "anybody can guess" in site.start()
    seed = sha256(b"seed").digest()
    for name in ("identity", "log"):
        (folder / f"{name}.key").write_bytes(seed)
        (folder / f"{name}.key").chmod(0o600)
    assert "the same key" in site.start()
    assert not (folder / "log").exists()


# --- rotation ---


def test_a_new_identity_ends_the_old_one(site: Site):
    site.keys("enrol", "node-1", FIRST.public.hex())
    old = load(site.folder / "state" / "identity.key")
    site.keys("rotate", "identity")
    keyring = site.keyring()
    assert keyring.get(old.kid).until is not None
    assert keyring.get(load(site.folder / "state" / "identity.key").kid).until is None


def poll(site: Site, reports: int) -> None:
    async def scenario(daemon: Daemon) -> None:
        logged = daemon.intake.counters["packs"]
        for _ in range(reports):
            daemon.intake.report("meter-2", (Reading("voltage_l1", "V", 2300, -1, 0, "", 1),))
        await until(lambda: daemon.intake.counters["packs"] == logged + reports, "the reports in the log")

    running(site, scenario)


def test_polled_devices_begin_another_chain_with_another_identity(site: Site, owner: Owner):
    site.keys("install", str(owner.certify(request(site), "certificates")))
    poll(site, 3)
    first = load(site.folder / "state" / "identity.key").kid.hex()
    site.keys("rotate", "identity")
    poll(site, 2)
    told = site.judge("--root", owner.root, device="meter-2", status=1)
    second = load(site.folder / "state" / "identity.key").kid.hex()
    assert f"gateway key {second} is not certified by the owner's root" in told, told
    told = site.judge("--key", site.verifier_key(), device="meter-2")
    assert "COMPLETE: packs" in told and "by 2 keys" in told and f"key {first} until entry" in told, told
    site.keys("install", str(owner.certify(request(site, "again"), "again")))
    poll(site, 1)
    told = site.judge("--root", owner.root, device="meter-2")
    assert f"gateway key {first} of class C0, certified by the owner's root" in told
    assert f"gateway key {second} of class C0" in told and "packs before certification" in told


def test_many_certificates_go_into_a_gateway_that_runs(site: Site, owner: Owner):
    """More than fit into one line of its socket."""
    nodes = [SoftwareKey(bytes([7, number]) * 16) for number in range(120)]
    tables = [
        f'[[node]]\nname = "n-{number}"\nport = "/nowhere/{number}"\ndevices = ["d-{number}"]\n'
        f'public_key = "{key.public.hex()}"\n'
        for number, key in enumerate(nodes)
    ]
    site.path.write_text(SITE + "".join(tables))
    certificates = owner.certify(request(site), "certificates")

    async def scenario(_: Daemon) -> None:
        assert "122 entries" in await site.typed("install", str(certificates))

    running(site, scenario)
    assert all(site.keyring().get(key.kid).certificates for key in nodes)


def test_a_lost_or_revoked_identity_is_replaced(site: Site):
    deliver_nothing(site)
    path = site.folder / "state" / "identity.key"
    first = path.read_bytes()
    path.unlink()
    site.keys("rotate", "identity")
    second = load(path)
    path.write_bytes(first)  # an old backup
    assert "was revoked; type: wayside keys rotate" in site.keys("enrol", "node-1", FIRST.public.hex(), status=1)
    site.keys("rotate", "identity")
    keyring = site.keyring()
    assert load(path).public not in (SoftwareKey(first).public, second.public)
    assert keyring.get(SoftwareKey(first).kid).until is not None and keyring.get(second.kid).until is not None
    deliver_nothing(site)


def test_another_identity_in_its_place_is_no_rotation(site: Site):
    """The identity of another site, out of the wrong backup."""
    deliver_nothing(site)
    path = site.folder / "state" / "identity.key"
    right, before = path.read_bytes(), list(site.keyring())
    path.write_bytes(sha256(b"another site").digest())
    for told in (site.start(), site.keys("enrol", "node-1", FIRST.public.hex(), status=1)):
        assert "identity.key is another key" in told and SoftwareKey(right).kid.hex() in told, told
        assert "wayside keys restore" in told and "wayside keys rotate" in told
    assert list(site.keyring()) == before
    path.write_bytes(right)
    poll(site, 1)
    path.write_bytes(sha256(b"another site").digest())
    site.keys("rotate", "identity")  # asked for
    assert site.keyring().get(SoftwareKey(right).kid).until is not None
    poll(site, 1)


@pytest.mark.parametrize("lost", ["epoch-1.signed", "epoch-1.sqlite"])
def test_an_identity_that_only_a_damaged_epoch_knows_keeps_no_gateway_from_starting(site: Site, lost: str):
    deliver_nothing(site)
    site.keys("rotate", "log")
    site.keys("rotate", "identity")
    (site.folder / "state" / "log" / lost).unlink()
    deliver_nothing(site)


@pytest.mark.parametrize("cut_before", ["announce", "put_next"])
def test_a_new_identity_that_was_cut_off_counts_or_never_was(
    site: Site, monkeypatch: pytest.MonkeyPatch, cut_before: str
):
    deliver_nothing(site)
    path = site.folder / "state" / "identity.key"
    old = load(path)
    with monkeypatch.context() as patched, pytest.raises(Cut):
        patched.setattr(site_log if cut_before == "announce" else state, cut_before, cut)
        main(["keys", "rotate", str(site.path), "identity"])
    deliver_nothing(site)
    assert (load(path).public == old.public) is (cut_before == "announce")
    assert (site.keyring().get(old.kid).until is None) is (cut_before == "announce")
    assert not list((site.folder / "state").glob("*.next"))


def test_nobody_takes_a_key_away_from_a_rotation_that_is_under_way(site: Site):
    deliver_nothing(site)
    with state.keys_locked(site.folder / "state"):
        for words in (["rotate", "identity"], ["rotate", "log"], ["request", str(site.folder / "r")]):
            assert "at the keys; try again" in site.keys(*words, status=1)
    site.keys("rotate", "log")


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


def test_a_new_log_key_begins_an_epoch_and_the_old_key_leads_to_it(site: Site, owner: Owner):
    site.keys("enrol", "node-1", FIRST.public.hex())
    site.keys("install", str(owner.certify(request(site), "certificates")))
    deliver(site, FIRST)
    vkey = site.verifier_key()
    old, new = rotate(site)
    assert old.public != new.public
    deliver(site, FIRST)  # the registry goes over to the new epoch
    for trusted in (old, new):
        holds, findings = site.judged(trusted.public)
        assert holds, findings
    assert f"bridged from log key {old.kid.hex()}" in site.judged(old.public)[1]["checkpoint"]
    assert not site.judged(SECOND.public)[0]
    assert main(["log", str(site.path), "--entries", "20"]) == 0
    shown = site._capsys.readouterr().out
    assert '"kind": "key"' in shown
    assert shown.startswith(f"key    {NoteKey('test.example/log/1', ED25519, new.public)}\n")
    (site.path.parent / "state" / "log.key").rename(site.path.parent / "away")
    assert main(["log", str(site.path), "--epoch", "0"]) == 0
    assert site._capsys.readouterr().out.startswith(f"key    {NoteKey('test.example/log/0', ED25519, old.public)}\n")
    (site.path.parent / "away").rename(site.path.parent / "state" / "log.key")
    for epoch in (0, 1):
        for words in (["--key", vkey], ["--key", site.verifier_key()], ["--root", owner.root]):
            forwards = epoch == 0 and words[1] == site.verifier_key()
            site.judge(*words, epoch=epoch, status=1 if forwards else 0)
    assert f"bridged from log key {old.kid.hex()}" in site.keys("list")


def test_the_old_log_keys_last_word_is_its_own_end(site: Site):
    site.keys("enrol", "node-1", FIRST.public.hex())
    old, new = rotate(site)
    log = LogReader(site.folder / "state" / "log", epoch=0)
    keyring, size, path = read_keyring(log), log.size, log.folder
    log.close()
    assert keyring.get(old.kid).until == size - 1, "nothing by the old key stands behind it"
    assert keyring.get(new.kid).until is None
    # A thief of the old key writes on where the epoch ended.
    def now() -> tuple[int, int]:
        return 1_800_000_000_000, 2

    for newer in path.glob("epoch-1.*"):
        newer.unlink()
    thiefs = Log(path, "test.example", old.public, old.sign, now)
    thiefs.append_entries([Append("gateway", encode_unplaced(*now(), ClockBody(1)))])
    thiefs.close()
    holds, findings = site.judged(old.public)
    assert not holds and f"a log key that entry {size - 1} revoked (rotated)" in findings["keys"]


def test_a_key_that_was_revoked_before_the_rotation_is_revoked_after_it(site: Site):
    site.keys("enrol", "node-1", FIRST.public.hex())
    site.keys("lost", "node-1")
    rotate(site)
    rotate_again = load(site.folder / "state" / "log.key")
    site.keys("rotate", "log")

    async def scenario(daemon: Daemon) -> None:
        assert "not registered" in await site.deliver(daemon, FIRST)

    running(site, scenario)
    assert site.keyring().get(FIRST.kid).until is not None
    assert "let the board make a new key" in site.keys("enrol", "node-1", FIRST.public.hex(), status=1)
    assert site.keyring().get(rotate_again.kid).until is not None


class Cut(BaseException):
    """Power goes."""


def cut(*_: object, **__: object) -> None:
    raise Cut


@pytest.mark.parametrize("cut_before", ["announce", "rotate", "first entry", "put_next", "carry over", "align"])
def test_a_rotation_that_is_cut_off_is_finished_or_undone(site: Site, monkeypatch: pytest.MonkeyPatch, cut_before: str):
    site.keys("enrol", "node-1", FIRST.public.hex())
    old = site.log_key()
    announced = 0
    real_announce = site_log.announce

    def announce(*args: object) -> None:
        nonlocal announced
        announced += 1
        if announced == {"announce": 2, "carry over": 3, "align": 4}.get(cut_before):
            raise Cut
        real_announce(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as patched, pytest.raises(Cut):
        patched.setattr(site_log, "announce", announce)
        if cut_before == "rotate":
            patched.setattr(Log, "rotate", cut)
        elif cut_before == "first entry":
            patched.setattr(Log, "_begin_epoch", begin_and_cut)
        elif cut_before == "put_next":
            patched.setattr(state, "put_next", cut)
        main(["keys", "rotate", str(site.path), "log"])
    deliver(site, FIRST)
    assert "node-1" in site.keys("list")
    assert (site.log_key().public == old.public) is (cut_before == "announce")
    assert not list((site.folder / "state").glob("*.next"))
    keyring = site.keyring()
    assert (keyring.get(old.kid).until is None) is (cut_before == "announce")
    for epoch in range(2 if cut_before != "announce" else 1):
        log = LogReader(site.folder / "state" / "log", epoch=epoch)
        bundle = write_bundle(site.folder / "all", log)
        log.close()
        holds, findings = verify_bundle(bundle, Trust(frozenset([("test.example", old.public)])))
        assert holds, findings
    rotate_once_more = site.keys("rotate", "log")
    assert "verifier key" in rotate_once_more
    deliver(site, FIRST)


def begin_and_cut(log: Log, *_: object) -> None:
    """The next epoch has its files, and has signed nothing."""
    log.close()
    log._open(log.epoch + 1)
    raise Cut




def test_a_renamed_site_and_a_foreign_folder_are_named_as_such(site: Site):
    deliver_nothing(site)
    text = site.path.read_text()
    site.path.write_text(text.replace("test.example", "other.example"))
    for told in (site.start(), site.keys("rotate", "log", status=1)):
        assert "this is the log of test.example" in told and "write name = 'test.example' back" in told
        assert "new state folder" not in told
    site.path.write_text(text)
    deliver_nothing(site)

"""The owner's word from the request to the stranger's verdict, by the commands that people type."""

import json
import stat
from pathlib import Path

import pytest
from trust.typed import FIRST, Owner, Site, deliver, enrol_with_proof, request
from wayside.runtime.clock import SystemClock
from wayside.trust.keys import load
from wayside.values.reading import TimeQuality
from wayside_wire.pack import key_id


def test_the_owners_word_before_the_first_pack(site: Site, owner: Owner):
    """The documented path, on a gateway that has never run: nothing in its evidence is from before the owner's word."""
    again = owner.type("make", owner.folder / "root.key", status=1)
    assert "is there already" in again and owner.root in again, "no root is overwritten, and its public key is told"
    assert "there is no log yet" in site.keys("list", status=1)
    assert stat.S_IMODE((owner.folder / "root.key").stat().st_mode) == 0o600
    shown = site.keys("request", str(site.folder / "request")).splitlines()
    assert not (site.folder / "state" / "log").exists(), "it was asked for before the first run"
    file = owner.folder / "certificates"
    told = owner.type("certify", site.folder / "request", file, "--root", owner.folder / "root.key")
    assert all(line in told for line in shown[:2]), "both print the same fingerprints"
    assert "keys install SITE certificates" in told and f"--root {owner.root}" in told, "what comes next, and for whom"
    assert "2 entries" in site.keys("install", str(file))
    assert "nothing to do" in site.keys("install", str(file))
    site.keys("enrol", "node-1", FIRST.public.hex())
    deliver(site, FIRST)
    assert "class C0 as claimed by the gateway, not certified by the owner" in site.judge("--root", owner.root)
    assert "no signature by a log key that a root certifies" in site.judge("--root", owner.registrar, status=1)
    assert "certified by " + key_id(bytes.fromhex(owner.root)).hex() in site.keys("list")


def test_packs_from_before_the_owners_word_are_called_so(site: Site, owner: Owner):
    site.keys("enrol", "node-1", FIRST.public.hex())
    deliver(site, FIRST, 3)
    site.keys("install", str(owner.certify(request(site), "certificates")))
    deliver(site, FIRST, 2)
    told = site.judge("--root", owner.root)
    assert "certified by the owner's root; 3 packs before certification" in told, told
    assert "3 packs by key" in site.judge("--root", owner.root, "--min-class", "C0", status=1)


def test_the_owner_certifies_nodes_with_the_class_that_he_vouches_for(site: Site, owner: Owner):
    enrol_with_proof(site, FIRST, 2)
    asked = request(site)
    assert "a class" not in site.keys("list") and "not certified: wayside keys request" in site.keys("list")
    site.keys("install", str(owner.certify(asked, "as-proven")))
    deliver(site, FIRST, 2)
    assert "of class C2, certified by the owner's root" in site.judge("--root", owner.root, "--min-class", "C2")
    assert "C3 is asked for" in site.judge("--root", owner.root, "--min-class", "C3", status=1)
    site.keys("install", str(owner.certify(asked, "as-seen", "--class", "node-1=C1")))
    assert "of class C2" in site.judge("--root", owner.root), "what he said of packs before stays said"
    owner.certify(asked, "none", "--class", "node-7=C1", status=1)


def test_the_log_key_alone_makes_no_node_the_owners(site: Site, owner: Owner):
    """A thief of the gateway enrols a key of his own and calls it C4."""
    site.keys("install", str(owner.certify(request(site), "certificates")))
    enrol_with_proof(site, FIRST, 4)
    deliver(site, FIRST)
    told = site.judge("--root", owner.root)
    assert "class C4 as claimed by the gateway, not certified by the owner" in told
    assert "is claimed only" in site.judge("--root", owner.root, "--min-class", "C1", status=1)


def test_a_registrar_certifies_nodes_in_the_owners_name_and_nothing_else(site: Site, owner: Owner):
    enrol_with_proof(site, FIRST, 1)
    asked = request(site)
    site.keys("install", str(owner.certify(asked, "gateway", "--without-nodes")))
    his = owner.folder / "registrar-certificate"
    owner.type("registrar", "test.example", owner.registrar, his, "--root", owner.folder / "root.key")
    assert "give it to him" in site.keys("install", str(his), status=1)
    of_nodes = owner.certify(asked, "nodes", "--registrar-certificate", str(his), root="registrar.key")
    assert "1 entry" in site.keys("install", str(of_nodes))
    deliver(site, FIRST)
    registrar = key_id(bytes.fromhex(owner.registrar)).hex()
    told = site.judge("--root", owner.root, "--min-class", "C1")
    assert f"of class C1, certified by registrar {registrar}" in told, told
    listed = site.keys("list")
    assert f"gateway key  {load(site.folder / 'state' / 'identity.key').public.hex()}" in listed
    assert f"registrar {registrar} is certified by" in listed and f"certified as C1 by {registrar}" in listed


def test_a_registrars_word_for_a_gateway_is_nobodys(site: Site, owner: Owner):
    asked = request(site)
    site.keys("install", str(owner.certify(asked, "forged", root="registrar.key")))
    site.keys("enrol", "node-1", FIRST.public.hex())
    deliver(site, FIRST)
    assert "no signature by a log key that a root certifies" in site.judge("--root", owner.root, status=1)


def test_a_certificate_that_has_ended_is_told_in_time_and_counts_no_more(
    site: Site, owner: Owner, monkeypatch: pytest.MonkeyPatch
):
    enrol_with_proof(site, FIRST, 1)
    site.keys("install", str(owner.certify(request(site), "short", "--days", "20")))
    assert "ENDS IN 19 DAYS" in site.keys("list")
    deliver(site, FIRST)
    site.judge("--root", owner.root, "--min-class", "C1")
    months_later = SystemClock.utc_ms

    def later(clock: SystemClock) -> int:
        return months_later(clock) + 60 * 86_400_000

    monkeypatch.setattr(SystemClock, "utc_ms", later)
    monkeypatch.setattr(SystemClock, "time_quality", lambda _: TimeQuality.SYNCED)
    deliver(site, FIRST)
    told = site.judge("--root", owner.root, status=1)
    assert "the log key's certificate ended before the last entry" in told
    site.keys("install", str(owner.certify(request(site, "again"), "renewed")))
    deliver(site, FIRST)
    told = site.judge("--root", owner.root)
    assert "of class C1 as claimed by the gateway, certified by the owner's root; 1 packs after the" in told, told
    assert "1 packs by key" in site.judge("--root", owner.root, "--min-class", "C1", status=1)


def test_what_is_no_file_of_certificates_is_refused_with_a_reason(site: Site, owner: Owner, tmp_path: Path):
    site.keys("enrol", "node-1", FIRST.public.hex())
    asked = request(site)
    right = owner.certify(asked, "right").read_text()
    wrong = tmp_path / "wrong"
    for text, why in (
        ("{}", "not a file of certificates"),
        ("[" * 5000, "not a file of certificates"),
        (right.replace("signer", "sinner"), "signer: 64 hexadecimal digits"),
        (right.replace(owner.root, owner.registrar), "not a certificate by key"),
        (json.dumps(json.loads(right) | {"certificates": []}), "holds no certificates"),
        (json.dumps(json.loads(right) | {"certificates": [7]}), "hexadecimal"),
        (json.dumps(json.loads(right) | {"registrar": "00", "root": owner.root}), "not a certificate by key"),
    ):
        wrong.write_text(text)
        assert why in site.keys("install", str(wrong), status=1)
    assert "cannot be read" in owner.type("certify", asked, tmp_path / "x", "--root", tmp_path / "none", status=1)
    owner.type("certify", tmp_path / "none", tmp_path / "x", "--root", owner.folder / "root.key", status=2)
    for words in (["--days", "-1"], ["--days", "1e9"], ["--class", "C1"], ["--class", "node-1=C9"]):
        with pytest.raises(SystemExit) as left:
            owner.certify(asked, "y", *words)
        assert left.value.code == 2



"""What a stranger's file costs before anything of it is proven: work is counted, not timed."""

from hashlib import sha256

import pytest
from evidence.site_log import KEY, LOG, NODE, SiteLog
from wayside.evidence import certificate, look
from wayside.evidence.bundle import BundleClaim
from wayside.evidence.certificate import LOG_ROLE, Certificate, Trust, sign_certificate
from wayside.evidence.note import ED25519, NoteKey
from wayside.evidence.verify import verify_bundle
from wayside.trust.keys import SoftwareKey

SITE = "site.example"
KEYS = [SoftwareKey(sha256(b"%d" % number).digest()) for number in range(300)]


def tangled() -> SiteLog:
    """A log that names 300 log keys, each certified by many of the others: 2.8 MiB of such took 11 s."""
    log = SiteLog()
    for number, key in enumerate(KEYS):
        by = {KEYS[(number + step) % len(KEYS)] for step in (0, 1, 3, 7)} | set(KEYS[:4])
        wanted = Certificate(SITE, LOG_ROLE, key.public, 1)
        certificates = tuple(sign_certificate(wanted, each.public, each.sign) for each in by)
        log.add_key(key=key, devices=(), role="log", certificates=certificates)
    return log


@pytest.mark.parametrize("trusted", [b"o" * 32, None], ids=["a stranger", "one of them"])
def test_little_is_done_for_a_file_whose_log_key_is_not_found(trusted: bytes | None, monkeypatch: pytest.MonkeyPatch):
    bundle = tangled().bundle(claim=BundleClaim())
    counted = {"certificates": 0, "entries": 0}
    opened, decoded = certificate.open_certificate, look.decode_entry

    def open_certificate(raw: bytes, signer: bytes) -> Certificate:
        counted["certificates"] += 1
        return opened(raw, signer)

    def decode_entry(data: bytes) -> object:
        counted["entries"] += 1
        return decoded(data)

    monkeypatch.setattr(certificate, "open_certificate", open_certificate)
    monkeypatch.setattr(look, "decode_entry", decode_entry)
    key = SoftwareKey(trusted) if trusted else KEYS[5]
    holds, findings = verify_bundle(bundle, Trust.in_key(NoteKey(f"{SITE}/log/0", ED25519, key.public)))
    assert not holds and [each.check for each in findings] == ["checkpoint"]
    assert counted["entries"] <= len(KEYS), "each entry is read once at most"
    assert counted["certificates"] <= 64 * 16 * 2, "and each certificate of the first keys judged once, and their own"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Every statement that is read while a test runs."""
    found: list[bytes] = []
    real = certificate.statement.open_statement

    def open_statement(raw: bytes, *more: object) -> object:
        found.append(raw)
        return real(raw, *more)

    monkeypatch.setattr(certificate.statement, "open_statement", open_statement)
    return found


def test_registrars_of_nobodys_are_not_read_again_with_every_further_one(opened: list[bytes]):
    """A third of a megabyte of such key entries took 22 s."""
    log, count = SiteLog(), 60
    for number, key in enumerate(KEYS[:count]):
        registrar = sign_certificate(Certificate(SITE, "registrar", key.public, 1), key.public, key.sign)
        node = sign_certificate(Certificate(SITE, "node", NODE.public, 1, None, 4), key.public, key.sign)
        log.add_key(certificates=(registrar, node))
        log.add_packs(number, number + 1)
    holds, _ = verify_bundle(log.bundle(), Trust.in_keys([KEY], [KEYS[-1].public]))
    assert holds and len(opened) <= 2 * count * 4


def test_a_long_way_of_bridges_back_is_gone_once(opened: list[bytes]):
    """It was gone from the beginning with each step: 60 KB of keys took 6 s."""
    log, way = SiteLog(f"{SITE}/log/1").begin(), [*KEYS[:60], LOG]
    for number, key in enumerate(way):
        wanted = Certificate(SITE, LOG_ROLE, key.public, 1)
        by = {key, way[max(0, number - 1)]}
        certificates = tuple(sign_certificate(wanted, each.public, each.sign) for each in by)
        log.add_key(key=key, devices=(), role="log", certificates=certificates)
    holds, _ = verify_bundle(log.bundle(claim=BundleClaim()), Trust.in_key(KEY))
    assert holds and len(opened) <= 2 * len(way) * 4

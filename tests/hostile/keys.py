"""Whose number it is, and whose word stands behind a key."""

from collections.abc import Callable, Iterator
from typing import Any

from evidence.site_log import DEVICE, KEY, LOG, NODE, ORIGIN, START_MS, STREAM, THIEF, SiteLog
from hostile.case import (
    FAILS,
    HOLDS,
    REVOCATION,
    SEQUENCE,
    SIGNATURES,
    UNREADABLE,
    Case,
    case,
    good,
    many,
    of,
)
from wayside.evidence.certificate import Certificate, sign_certificate
from wayside.evidence.kinds import (
    KeyBody,
    OverloadBody,
)
from wayside.evidence.note import COSIGNATURE, ED25519, NoteKey
from wayside.evidence.stream import KEYS
from wayside.trust.keys import SoftwareKey

OWNER, REGISTRAR, OTHER_LOG = (SoftwareKey(name.encode() * 32) for name in "orx")
BY_ROOT = ("--root", OWNER.public.hex())

# --- numbers ---


@case("two contents of one number")
def _() -> Case:
    log = good()
    log.add_pack(log.make_pack(9, value=1))
    return of(log.bundle(), FAILS, SIGNATURES, "1/9 is there twice, with different content")


@case("a number of a boot that has ended")
def _() -> Case:
    log = good()
    log.add_packs(0, 3, boot=2)
    log.add_pack(log.make_pack(5000))
    return of(log.bundle(), FAILS, SIGNATURES, "1/5000 lies where the chain proves that nothing lies")


@case("the old board goes on after it was replaced")
def _() -> Case:
    log = good()
    log.add_key("revoked")
    log.add_key(key=THIEF)
    log.add_packs(0, 3, key=THIEF)
    log.add_packs(10, 12)
    return of(log.bundle(), FAILS, REVOCATION, "was revoked by entry 11")


@case("a gap entry names the loss of another key")
def _() -> Case:
    log = good(3)
    log.make_pack(3)
    log.add_gap(1, 3, 3, THIEF)
    log.add_packs(4, 6)
    return of(log.bundle(), FAILS, SEQUENCE, "missing boot 1: sequence 3 to 3")


@case("a chain that begins twice")
def _() -> Case:
    log = good()
    log.previous.clear()
    log.add_packs(0, 3, boot=2)
    return of(log.bundle(), FAILS, SEQUENCE, "missing between boot 1 sequence 9 and boot 2 sequence 0")


@case("a chain without its beginning, in a stream that is whole")
def _() -> Case:
    log = SiteLog()
    log.add_key()
    log.make_pack(0)
    log.add_packs(1, 5)
    return of(log.bundle(), FAILS, SEQUENCE, "before boot 1 sequence 1, and no entry names it")


@case("a key of the device was revoked, and never signed")
def _() -> Case:
    log = good()
    log.add_key(key=THIEF)
    log.add(STREAM, OverloadBody(1, "discard-oldest"))
    index = log.add_key("revoked", THIEF, reason="lost")
    return of(log.bundle(), HOLDS, REVOCATION, f"key {THIEF.kid.hex()} until entry {index} (lost)")


@case("a key of another node signs for the device")
def _() -> Case:
    log = good()
    log.add_key(key=THIEF, devices=["meter-2"])
    log.add_packs(0, 1, key=THIEF)
    return of(log.bundle(), FAILS, SIGNATURES, f"is not registered for {DEVICE}")


@case("a key that was registered again without the device")
def _() -> Case:
    log = good()
    log.add_key(devices=["meter-2"])
    log.add_packs(10, 12)
    return of(log.bundle(), FAILS, SIGNATURES, f"is not registered for {DEVICE}")


# --- trust ---


def _as_text(origin: str, key: SoftwareKey, kind: int = ED25519) -> str:
    return str(NoteKey(origin, kind, key.public))


def _trust() -> Iterator[tuple[str, Callable[[], Case]]]:
    other = _as_text("other.example/log/0", LOG)
    two = f"log {_as_text('other.example/log/0', OTHER_LOG)}\nlog {KEY}\nquorum none\n"

    def crossed() -> Case:
        log = good(log=SiteLog("other.example/log/0"))
        return of(log.bundle(), FAILS, "checkpoint", "no signature by", "--policy", "POLICY", policy=two)

    yield "a policy names two logs, and the key of one signs for the other", crossed
    yield "the key under another name", lambda: of(good().bundle(), FAILS, "checkpoint", "a log of", "--key", other)
    for name, key in {
        "the key without a name": LOG.public.hex(),
        "the key of a witness": _as_text("w.example/1", LOG, COSIGNATURE),
        "a witness's type under a log's name": _as_text(ORIGIN, LOG, COSIGNATURE),
        "a name that no log has": _as_text("log/abc", LOG),
        "a second spelling of the epoch": _as_text("site.example/log/00", LOG),
    }.items():
        yield name, lambda key=key: of(good().bundle(), UNREADABLE, "", "SITE/log/EPOCH", "--key", key)
    for origin in ("site.example/log/00", "site.example/log/-1", "log/0", "site.example/log/0/1", "SITE.example/log/0"):
        yield f"a checkpoint of {origin}", lambda origin=origin: of(
            good(log=SiteLog(origin)).bundle(), FAILS, "checkpoint", "no name of a log"
        )


many("trust", _trust())


def certified(role: str, key: SoftwareKey, by: SoftwareKey = OWNER, assurance: int | None = None, **more: Any) -> bytes:
    fields = {"site": "site.example", "issued_ms": START_MS, "assurance": assurance} | more
    return sign_certificate(Certificate(role=role, public=key.public, **fields), by.public, by.sign)


def owned(*node: bytes, assurance: int = 0, log_key: bytes | None = None) -> SiteLog:
    """A log whose key the owner certified; the node's key with these certificates."""
    log = SiteLog()
    mine = log_key or certified("log", LOG)
    log.add(KEYS, KeyBody(LOG.public, "log", (), "registered", certificates=(mine,)))
    log.add(KEYS, KeyBody(NODE.public, "node", (DEVICE,), "registered", assurance, certificates=node))
    log.add_packs(0, 5)
    return log


def _owners() -> Iterator[tuple[str, Callable[[], Case]]]:
    origin = f"{DEVICE} origin"
    registrar = certified("registrar", REGISTRAR)
    by_registrar = certified("node", NODE, REGISTRAR, 4)

    def asks(log: SiteLog, text: str, wanted: str = "C4") -> Case:
        return of(log.bundle(), FAILS, origin, text, *BY_ROOT, "--min-class", wanted)

    yield "the log's key alone says class C4", lambda: asks(owned(assurance=4), "is claimed only")
    yield "a registrar whom nobody certified", lambda: asks(owned(by_registrar, assurance=4), "is claimed only")
    yield "a registrar of another site", lambda: asks(
        owned(by_registrar, certified("registrar", REGISTRAR, site="other.example"), assurance=4), "is claimed only"
    )
    yield "a registrar certified by a registrar", lambda: asks(
        owned(by_registrar, certified("registrar", REGISTRAR, THIEF), certified("registrar", THIEF), assurance=4),
        "is claimed only",
    )
    by_log = certified("node", NODE, LOG, 4)
    yield "the log's key as a registrar", lambda: asks(owned(by_log, assurance=4), "is claimed only")
    yield "a certificate of a lower class", lambda: asks(
        owned(by_registrar, registrar, certified("node", NODE, assurance=1), assurance=4), "are of class C1"
    )
    yield "a certificate of another key", lambda: asks(owned(certified("node", THIEF, assurance=4)), "is claimed only")
    yield "a certificate of another site", lambda: asks(
        owned(certified("node", NODE, assurance=4, site="other.example")), "is claimed only"
    )

    def lifted() -> Case:
        log = owned()
        later = certified("node", NODE, assurance=4)
        log.add(KEYS, KeyBody(NODE.public, "node", (DEVICE,), "registered", 4, certificates=(later,)))
        log.add_packs(5, 7)
        return asks(log, "5 packs by key")

    yield "a registration lifts the class of packs before it", lifted

    def registrar_as_log() -> Case:
        mine = certified("log", LOG, REGISTRAR)
        return of(owned(log_key=mine).bundle(), FAILS, "checkpoint", "no signature by a log key", *BY_ROOT)

    yield "a registrar certifies the log", registrar_as_log
    yield "a certificate of a node for the log", lambda: of(
        owned(log_key=certified("node", LOG, assurance=4)).bundle(), FAILS, "checkpoint", "no signature", *BY_ROOT
    )
    yield "a certificate of the log that has ended", lambda: of(
        owned(log_key=certified("log", LOG, until_ms=START_MS)).bundle(), FAILS, "keys", "certificate ended", *BY_ROOT
    )
    def among_many() -> Case:
        """Who asks for the newest so many certificates must count them in one way only."""
        log, ended = SiteLog(), certified("log", LOG, until_ms=START_MS)
        for certificates in ([ended], [bytes([each]) for each in range(40)], [ended]):
            log.add(KEYS, KeyBody(LOG.public, "log", (), "registered", certificates=tuple(certificates)))
        good(3, log)
        return of(log.bundle(), FAILS, "keys", "certificate ended", *BY_ROOT)

    yield "a certificate of the log that has ended, first and again behind forty others", among_many
    yield "a gateway's key without a certificate", lambda: _gateway(origin)

    def revoked() -> Case:
        log = owned()
        log.add(KEYS, KeyBody(LOG.public, "log", (), "revoked", reason="stolen"))
        log.add_packs(5, 7)
        return of(log.bundle(), FAILS, "keys", "a log key that entry 7 revoked (stolen)", *BY_ROOT)

    yield "the log's key signs on behind its own revocation", revoked

    def roles() -> Case:
        log = good()
        index = log.add_key(role="gateway")
        return of(log.bundle(), FAILS, f"entry {index}", "but it is the key of a node")

    yield "one key in two roles", roles

    def again() -> Case:
        log = good()
        log.add_key("revoked")
        index = log.add_key()
        return of(log.bundle(), FAILS, f"entry {index}", "registered again after it was revoked")

    yield "a revoked key is registered again", again


def _gateway(origin: str) -> Case:
    log = SiteLog()
    log.add(KEYS, KeyBody(LOG.public, "log", (), "registered", certificates=(certified("log", LOG),)))
    log.add_key(role="gateway", key=THIEF)
    log.add_pack(log.make_pack(0, key=THIEF), attested="gateway")
    return of(log.bundle(), FAILS, origin, "is not certified by the owner's root", *BY_ROOT)


many("the owner", _owners())

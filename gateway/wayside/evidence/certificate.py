"""Certificates: a key says that another one may sign for a site in a role.

A certificate is a COSE_Sign1 (content type "application/wayside-certificate", CDDL in docs/keys.md) by one signer. Who
needs k of n owners asks for k certificates of the same content; the bridge over a change of the log's key is two of
them, by the old key and by the new one.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from wayside_wire import WireError, cbor, statement
from wayside_wire.pack import key_id

from wayside.evidence import EvidenceError
from wayside.evidence.ed25519 import check_public, verifies
from wayside.evidence.note import NoteKey

CONTENT_TYPE = "application/wayside-certificate"
LOG_ROLE, GATEWAY_ROLE = "log", "gateway"


@dataclass(frozen=True, slots=True)
class Certificate:
    """`public` (32 bytes, Ed25519) may sign for `site` as `role`; `issued_ms`: ms since 1970, by the signer's clock."""

    site: str
    role: str
    public: bytes
    issued_ms: int


def sign_certificate(certificate: Certificate, signer: bytes, sign: Callable[[bytes], bytes]) -> bytes:
    """The certificate by the holder of `signer`, a 32-byte public key."""
    fields = (certificate.site, certificate.role, certificate.public, certificate.issued_ms)
    raw: bytes = statement.sign_statement(CONTENT_TYPE, key_id(signer), fields, sign)
    return raw


def open_certificate(raw: bytes, signer: bytes) -> Certificate:
    """The certificate in `raw`, by the 32-byte public key `signer`; EvidenceError when it is not by that key."""

    def check(kid: bytes, fields: list[object], message: bytes, signature: bytes) -> bool:
        return kid == key_id(signer) and verifies(signer, message, signature)

    try:
        _, (site, role, public, issued_ms) = statement.open_statement(raw, CONTENT_TYPE, 4, check)
    except WireError as error:
        raise EvidenceError(f"certificate: {error}") from None
    if not (isinstance(site, str) and role in (LOG_ROLE, GATEWAY_ROLE)):
        raise EvidenceError("certificate: site or role are out of form")
    if not (isinstance(public, bytes) and cbor.is_int(issued_ms) and issued_ms >= 0):
        raise EvidenceError("certificate: key or time are out of form")
    try:
        check_public(public)
    except EvidenceError as error:
        raise EvidenceError(f"certificate: {error}") from None
    return Certificate(site, role, public, issued_ms)


def signers(certificates: Iterable[bytes], candidates: Iterable[bytes], wanted: tuple[str, str, bytes]) -> set[bytes]:
    """Those of `candidates` (public keys) who certify `wanted` = (site, role, public key)."""
    found = set()
    raws = list(certificates)
    for candidate in candidates:
        for raw in raws:
            try:
                certificate = open_certificate(raw, candidate)
            except EvidenceError:
                continue
            if (certificate.site, certificate.role, certificate.public) == wanted:
                found.add(candidate)
    return found


@dataclass(frozen=True, slots=True)
class Trust:
    """What a stranger brings: log keys that he knows, or at least `threshold` of the owner's root keys.

    `site`: the site's name, "" where the keys stand for whatever site the evidence names.
    """

    log_keys: frozenset[bytes] = frozenset()
    roots: frozenset[bytes] = frozenset()
    threshold: int = 1
    site: str = ""

    @classmethod
    def in_key(cls, key: NoteKey) -> "Trust":
        """Trust in one log key, whichever epoch of its site it is named after; without a name, of any site."""
        return cls(frozenset([key.public]), site=key.name.rpartition("/log/")[0])

    def certified(self, site: str, role: str, public: bytes, certificates: Iterable[bytes]) -> bool:
        """Whether the owner's roots say that this key may sign for the site in this role."""
        found = signers(certificates, self.roots, (site, role, public))
        return bool(found) and len(found) >= self.threshold

    def log_keys_of(self, site: str, offered: Mapping[bytes, Iterable[bytes]]) -> dict[bytes, str]:
        """The log keys that may sign for `site`, and why: known, certified by the roots, or bridged from one of those.

        offered: log keys as the evidence has them, with their certificates. A bridge is a certificate by a key that is
        already trusted and one by the new key itself, so that nobody can claim a key that he does not hold.
        """
        trusted = dict.fromkeys(self.log_keys, "the key that was given")
        left = {public: list(certificates) for public, certificates in offered.items()}
        for public, certificates in left.items():
            if self.certified(site, LOG_ROLE, public, certificates):
                trusted.setdefault(public, "certified by the owner's root")
        grown = True
        while grown:
            grown = False
            for public in [each for each in left if each not in trusted]:
                found = signers(left[public], [*trusted, public], (site, LOG_ROLE, public))
                before = found - {public}
                if public in found and before:
                    trusted[public] = f"bridged from log key {key_id(min(before)).hex()}"
                    grown = True
        return trusted

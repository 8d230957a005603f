"""Certificates: a key says that another one may sign for a site in a role, until when, and in which assurance class.

A certificate is a COSE_Sign1 (content type "application/wayside-certificate", CDDL in docs/keys.md) by one signer. Who
needs k of n owners asks for k certificates of the same content; the bridge over a change of the log's key is two of
them, by the old key and by the new one. A registrar, whom the owner certifies, certifies nodes and nothing else.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from wayside_wire import WireError, cbor, statement
from wayside_wire.pack import key_id

from wayside.evidence import EvidenceError
from wayside.evidence.ed25519 import check_public, verifies
from wayside.evidence.kinds import MAX_CLASS
from wayside.evidence.note import ED25519, NoteKey
from wayside.evidence.origin import parse_origin

CONTENT_TYPE = "application/wayside-certificate"
LOG_ROLE, GATEWAY_ROLE, NODE_ROLE, REGISTRAR_ROLE = "log", "gateway", "node", "registrar"
ROLES = (LOG_ROLE, GATEWAY_ROLE, NODE_ROLE, REGISTRAR_ROLE)
_REMEMBERED = 4096  # certificates that were read
_MOST = 32  # certificates of one key that are looked at: the newest, so that a renewal counts however many came before


@dataclass(frozen=True, slots=True)
class Certificate:
    """`public` (32 bytes, Ed25519) may sign for `site` as `role`.

    issued_ms, until_ms: ms since 1970, by the signer's clock; until_ms None: until it is revoked. assurance: the class
    of a node's key, which the signer vouches for; None in other roles.
    """

    site: str
    role: str
    public: bytes
    issued_ms: int
    until_ms: int | None = None
    assurance: int | None = None


def sign_certificate(certificate: Certificate, signer: bytes, sign: Callable[[bytes], bytes]) -> bytes:
    """The certificate by the holder of `signer`, a 32-byte public key."""
    each = certificate
    fields = (each.site, each.role, each.public, each.issued_ms, each.until_ms, each.assurance)
    raw: bytes = statement.sign_statement(CONTENT_TYPE, key_id(signer), fields, sign)
    return raw


def open_certificate(raw: bytes, signer: bytes) -> Certificate:
    """The certificate in `raw`, by the 32-byte public key `signer`; EvidenceError when it is not by that key."""

    def check(kid: bytes, fields: list[object], message: bytes, signature: bytes) -> bool:
        return kid == key_id(signer) and verifies(signer, message, signature)

    return _open(raw, check)[1]


def read_claim(raw: bytes) -> tuple[bytes, Certificate]:
    """(key id of the signer, what he is said to have signed): nothing of it is checked, so believe nothing of it."""
    return _open(raw, lambda *_: True)


def _open(raw: bytes, check: Callable[[bytes, list[object], bytes, bytes], bool]) -> tuple[bytes, Certificate]:
    try:
        kid, fields = statement.open_statement(raw, CONTENT_TYPE, 6, check)
    except WireError as error:
        raise EvidenceError(f"certificate: {error}") from None
    site, role, public, issued_ms, until_ms, assurance = fields
    if not (isinstance(site, str) and isinstance(role, str) and role in ROLES):
        raise EvidenceError("certificate: site or role are out of form")
    if not (isinstance(public, bytes) and len(public) == 32):
        raise EvidenceError("certificate: the key is out of form")
    try:
        check_public(public)
    except EvidenceError as error:
        raise EvidenceError(f"certificate: {error}") from None
    if not _is_count(issued_ms) or not (until_ms is None or (_is_count(until_ms) and until_ms >= issued_ms)):
        raise EvidenceError("certificate: the times are out of form")
    if not (_is_count(assurance) and assurance <= MAX_CLASS if role == NODE_ROLE else assurance is None):
        raise EvidenceError("certificate: a node's has a class, and no other has")
    return kid, Certificate(site, role, public, issued_ms, until_ms, assurance)


def _is_count(value: object) -> bool:
    return bool(cbor.is_int(value)) and isinstance(value, int) and 0 <= value < 2**63


Wanted = tuple[str, str, bytes]
"""(site, role, public key) that a certificate is looked for."""


def certificates_by(raws: Iterable[bytes], signers: Iterable[bytes], wanted: Wanted) -> dict[bytes, Certificate]:
    """By signer, the certificate of `wanted` that counts longest."""
    claims = claims_of(raws, wanted)
    found: dict[bytes, Certificate] = {}
    for signer in signers:
        for raw in claims.get(key_id(signer), ()):
            certificate = _opened(raw, signer)
            known = found.get(signer)
            if certificate and (known is None or _ends(known) < _ends(certificate)):
                found[signer] = certificate
    return found


def claims_of(raws: Iterable[bytes], wanted: Wanted) -> dict[bytes, list[bytes]]:
    """By key id of who is said to have signed them, the certificates that speak of `wanted`; none is checked yet."""
    claims: dict[bytes, list[bytes]] = {}
    for raw in list(raws)[-_MOST:]:
        if (claim := _claim(raw)) and claim[1:] == wanted:
            claims.setdefault(claim[0], []).append(raw)
    return claims


# A file may bring many keys and many certificates, and asks for each of them again with every further one.


@lru_cache(maxsize=_REMEMBERED)
def _claim(raw: bytes) -> tuple[bytes, object, object, object] | None:
    """(key id of the signer, site, role, key) as they are said; None for what is no statement of this kind."""
    try:
        kid, fields = statement.open_statement(raw, CONTENT_TYPE, 6, lambda *_: True)
    except WireError:
        return None
    return kid, fields[0], fields[1], fields[2]


@lru_cache(maxsize=_REMEMBERED)
def _opened(raw: bytes, signer: bytes) -> Certificate | None:
    try:
        return open_certificate(raw, signer)
    except EvidenceError:
        return None


def _ends(certificate: Certificate) -> int:
    return 2**63 if certificate.until_ms is None else certificate.until_ms


@dataclass(frozen=True, slots=True)
class Certified:
    """That the owner's word stands behind a key: until when (None: no end), of a node in which class, and by whom."""

    until_ms: int | None
    assurance: int | None
    by: str


@dataclass(frozen=True, slots=True)
class Trust:
    """What a stranger brings: log keys, each of one site, or at least `threshold` of the owner's root keys."""

    logs: frozenset[tuple[str, bytes]] = frozenset()
    roots: frozenset[bytes] = frozenset()
    threshold: int = 1

    @classmethod
    def in_key(cls, key: NoteKey) -> "Trust":
        """Trust in one log key, for every epoch of its site; EvidenceError when it cannot be a log's key."""
        return cls.in_keys([key])

    @classmethod
    def in_keys(cls, keys: Iterable[NoteKey], roots: Iterable[bytes] = (), threshold: int = 1) -> "Trust":
        """Trust in exactly these keys of exactly these sites, and in what the roots certify."""
        logs = set()
        for key in keys:
            if key.kind != ED25519:
                raise EvidenceError(f"{key.name}: this is a witness's key; a log's is of type 1")
            logs.add((parse_origin(key.name).site, key.public))
        return cls(frozenset(logs), frozenset(roots), threshold)

    def certified(self, wanted: Wanted, raws: Sequence[bytes], when_ms: int | None = None) -> Certified | None:
        """Why the owner's word stands behind a key; None when it does not, or its certificates ended before when_ms."""
        found = self._certified(wanted, raws, self.roots, self.threshold, when_ms, "the owner's root")
        if found or wanted[1] != NODE_ROLE:
            return found
        site = wanted[0]
        for registrar in _registrars(raws, wanted):
            own = self._certified((site, REGISTRAR_ROLE, registrar), raws, self.roots, self.threshold, when_ms, "")
            if own:
                by = f"registrar {key_id(registrar).hex()}"
                if found := self._certified(wanted, raws, [registrar], 1, when_ms, by):
                    return found
        return None

    @staticmethod
    def _certified(
        wanted: Wanted, raws: Iterable[bytes], signers: Iterable[bytes], threshold: int, when_ms: int | None, by: str
    ) -> Certified | None:
        found = certificates_by(raws, signers, wanted)
        counting = [each for each in found.values() if when_ms is None or _ends(each) >= when_ms]
        if not counting or len(counting) < threshold:
            return None
        # As long as `threshold` of them count, and in the lowest class that any of those says.
        counting = sorted(counting, key=_ends, reverse=True)[:threshold]
        classes = [each.assurance for each in counting if each.assurance is not None]
        return Certified(counting[-1].until_ms, min(classes) if classes else None, by)

    def log_keys_of(
        self, site: str, offered: Mapping[bytes, Sequence[bytes]], when_ms: int | None = None
    ) -> dict[bytes, str]:
        """The log keys that may sign for `site`, and why: known, certified by the roots, or bridged from one of those.

        offered: log keys as the evidence has them, with their certificates. A bridge is a certificate by a key that is
        already trusted and one by the new key itself, so that nobody can claim a key that he does not hold.
        """
        trusted = {public: "the key that was given" for named, public in self.logs if named == site}
        for public, raws in offered.items():
            if self.certified((site, LOG_ROLE, public), raws, when_ms):
                trusted.setdefault(public, "certified by the owner's root")
        # From each trusted key to those that it certifies: every certificate is looked at once, however long the way.
        led_to: dict[bytes, list[bytes]] = {}
        for public, raws in offered.items():
            for kid in claims_of(raws, (site, LOG_ROLE, public)):
                led_to.setdefault(kid, []).append(public)
        ahead = list(trusted)
        while ahead:
            before = ahead.pop()
            for public in led_to.get(key_id(before), ()):
                wanted = (site, LOG_ROLE, public)
                if public not in trusted and len(certificates_by(offered[public], {before, public}, wanted)) == 2:
                    trusted[public] = f"bridged from log key {key_id(before).hex()}"
                    ahead.append(public)
        return trusted


def _registrars(raws: Sequence[bytes], wanted: Wanted) -> list[bytes]:
    """The keys that certificates among `raws` call registrars, and that are said to have certified `wanted`.

    Nothing of it is believed yet.
    """
    signers = claims_of(raws, wanted)
    claims = [claim for raw in list(raws)[-_MOST:] if (claim := _claim(raw)) and claim[2] == REGISTRAR_ROLE]
    keys = dict.fromkeys(public for *_, public in claims if isinstance(public, bytes) and len(public) == 32)
    return [public for public in keys if key_id(public) in signers]

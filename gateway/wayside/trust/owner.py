"""What goes between a site, its owner and a registrar on a memory stick: a request for certificates, and those.

The owner's root key stays in a file on a machine without a network. He certifies a gateway's own keys, nodes, and
registrars; a registrar, a technician say, certifies nodes and nothing else. All files are JSON with hexadecimal bytes,
so that people can compare fingerprints by eye (docs/keys.md).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from wayside_wire import WireError, enrol, statement
from wayside_wire.pack import key_id

from wayside.evidence import EvidenceError
from wayside.evidence.certificate import (
    GATEWAY_ROLE,
    LOG_ROLE,
    NODE_ROLE,
    REGISTRAR_ROLE,
    Certificate,
    open_certificate,
    sign_certificate,
)
from wayside.evidence.ed25519 import PublicKeys, verifies
from wayside.evidence.origin import is_site
from wayside.text import json_text
from wayside.trust.keys import SigningKey

REQUEST = "wayside-key-request/2"
CERTIFICATES = "wayside-certificates/2"
_WRITTEN_BY = {REQUEST: "request", CERTIFICATES: "certify` or `registrar"}
MAX_FILE = 1 << 20  # bytes
MAX_KEYS = 1024  # of a request
DAY_MS = 86_400_000
_ROLES = (LOG_ROLE, GATEWAY_ROLE)


class OwnerFileError(Exception):
    """A file that is not what it should be; the text says which part."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A key that a site wants certified. `assurance`: the class that its proof of possession says.

    A gateway's own key has proven that the site holds it; a node's has where `is_proven`, else somebody has to compare
    it with what the board prints.
    """

    role: str
    public: bytes
    node: str = ""
    assurance: int = 0
    is_proven: bool = True

    @property
    def name(self) -> str:
        return self.node or self.role


@dataclass(frozen=True, slots=True)
class CertificationRequest:
    site: str
    keys: tuple[Asked, ...]

    def of_nodes(self) -> list[Asked]:
        return [each for each in self.keys if each.role == NODE_ROLE]

    def of_gateway(self) -> list[Asked]:
        return [each for each in self.keys if each.role != NODE_ROLE]


@dataclass(frozen=True, slots=True)
class NodeKey:
    """A node's key as the site's log has it; `proof`: of possession, empty where a technician enrolled it by eye."""

    node: str
    public: bytes
    proof: bytes = b""


def make_request(site: str, keys: Mapping[str, SigningKey], nodes: Sequence[NodeKey] = ()) -> bytes:
    """`keys`: the gateway's own by role, "log" and "gateway"."""
    asked = [
        {"role": role, "public": key.public.hex(), "proof": _proof(site, key).hex()} for role, key in keys.items()
    ]
    asked += [
        {"role": NODE_ROLE, "node": each.node, "public": each.public.hex(), "proof": each.proof.hex()} for each in nodes
    ]
    return _encode({"format": REQUEST, "site": site, "keys": asked})


def read_request(data: bytes) -> CertificationRequest:
    """OwnerFileError when the file is no request, or the site does not hold what it names as its own."""
    fields = _decode(data, REQUEST, "a request")
    site, asked = fields.get("site"), fields.get("keys")
    if not (isinstance(site, str) and is_site(site) and isinstance(asked, list) and 0 < len(asked) <= MAX_KEYS):
        raise OwnerFileError("not a request: site and keys are needed")
    keys: list[Asked] = []
    for each in asked:
        key = _asked(site, each if isinstance(each, dict) else {})
        if key.name in {other.name for other in keys} or key.public in {other.public for other in keys}:
            raise OwnerFileError(f"not a request: {key.name} is named twice, or has the key of another")
        keys.append(key)
    return CertificationRequest(site, tuple(keys))


def _asked(site: str, fields: Mapping[str, Any]) -> Asked:
    role, node = fields.get("role"), fields.get("node", "")
    public, proof = _hex(fields.get("public")), _hex(fields.get("proof"))
    _check_public(public, "not a request")
    if role in _ROLES and not node:
        name, proven = f"its {role} key", _proven(proof, _challenge(site))
    elif role == NODE_ROLE and isinstance(node, str) and node.isascii() and node.isprintable() and 0 < len(node) <= 64:
        if not proof:
            return Asked(role, public, node, 0, is_proven=False)
        # A node answered the challenge of its enrolment. Who replays that asks for the same key and the same class.
        name, proven = f"the key of {node}", _proven(proof, _challenge_of(proof))
    else:
        raise OwnerFileError("not a request: each key has a role, log or gateway, or node with the node's name")
    if isinstance(proven, str):
        what = "its proof is damaged, or was made for another site's name or challenge; ask for a new request"
        raise OwnerFileError(f"the site does not prove that it holds {name}: {what} ({proven})")
    if proven.public != public:
        raise OwnerFileError(f"{name}: the proof is for another key")
    return Asked(role, public, node, proven.assurance)


def _proven(proof: bytes, challenge: bytes) -> enrol.PossessionProof | str:
    """What the proof says, or why it does not hold."""
    try:
        return enrol.open_proof(proof, challenge, verifies)
    except WireError as error:
        return str(error)


def _challenge_of(proof: bytes) -> bytes:
    try:
        challenge = statement.open_statement(proof, enrol.CONTENT_TYPE, 5, lambda *_: True)[1][0]
    except WireError:
        return b""
    return challenge if isinstance(challenge, bytes) else b""


# --- what the owner and the registrar sign ---


@dataclass(frozen=True, slots=True)
class CertificateTerm:
    """From when until when certificates count, ms since 1970; until_ms None: without an end."""

    issued_ms: int
    until_ms: int | None

    @classmethod
    def of_days(cls, now_ms: int, days: int) -> "CertificateTerm":
        return cls(now_ms, now_ms + days * DAY_MS if days else None)


def certify(
    request: CertificationRequest,
    keys: Sequence[Asked],
    signer: SigningKey,
    term: CertificateTerm,
    classes: Mapping[str, int] | None = None,
    registrar: "Registrar | None" = None,
) -> bytes:
    """The file of certificates of `keys`, which are among those of the request.

    classes: by node, what the signer vouches for instead of what the proof of possession says. registrar: who the
    signer is, unless he is the owner. OwnerFileError when he may not certify that.
    """
    classes = classes or {}
    if unknown := set(classes) - {each.node for each in keys}:
        raise OwnerFileError(f"{', '.join(sorted(unknown))}: not among the nodes that are certified here")
    if not keys:
        raise OwnerFileError(f"the request of {request.site} names no key that is to be certified")
    if signer.public in {each.public for each in request.keys}:
        raise OwnerFileError("a key of the site cannot certify the site's keys; the owner's root is a key of its own")
    if registrar:
        registrar.check(request, keys, signer.public, term)
    certificates = []
    for each in keys:
        assurance = classes.get(each.node, each.assurance) if each.role == NODE_ROLE else None
        content = Certificate(request.site, each.role, each.public, term.issued_ms, term.until_ms, assurance)
        certificates.append(sign_certificate(content, signer.public, signer.sign).hex())
    fields = {"format": CERTIFICATES, "site": request.site, "signer": signer.public.hex(), "certificates": certificates}
    if registrar:
        fields |= {"root": registrar.root.hex(), "registrar": registrar.raw.hex()}
    return _encode(fields)


@dataclass(frozen=True, slots=True)
class Registrar:
    """A registrar's certificate `raw` by the owner's key `root`, and what it says."""

    root: bytes
    raw: bytes
    certificate: Certificate

    def check(self, request: CertificationRequest, keys: Sequence[Asked], signer: bytes, term: CertificateTerm) -> None:
        """OwnerFileError unless `signer` is this registrar and may certify these keys."""
        own = self.certificate
        if own.public != signer:
            raise OwnerFileError(f"the registrar's certificate is for another key, {fingerprint(own.public)}")
        if own.site != request.site:
            raise OwnerFileError(f"the registrar's certificate is for {own.site}, the request for {request.site}")
        if any(each.role != NODE_ROLE for each in keys):
            raise OwnerFileError("a registrar certifies nodes only")
        if own.until_ms is not None and own.until_ms < term.issued_ms:
            raise OwnerFileError("the registrar's certificate has ended; the owner makes another one")


def certify_registrar(site: str, public: bytes, root: SigningKey, term: CertificateTerm) -> bytes:
    """The file that lets the holder of `public` certify nodes of `site`. OwnerFileError."""
    if not is_site(site):
        raise OwnerFileError(f"{site!r} is no name of a site; write it as its site file does")
    _check_public(public, "the registrar's key")
    if public == root.public:
        raise OwnerFileError("the owner's root needs no certificate; a registrar has a key of his own")
    content = Certificate(site, REGISTRAR_ROLE, public, term.issued_ms, term.until_ms)
    raw = sign_certificate(content, root.public, root.sign).hex()
    return _encode({"format": CERTIFICATES, "site": site, "signer": root.public.hex(), "certificates": [raw]})


def read_registrar(data: bytes) -> Registrar:
    """The certificate that `certify_registrar` made. OwnerFileError."""
    fields = _decode(data, CERTIFICATES, "a file of certificates")
    root, raws = _hex(fields.get("signer")), fields.get("certificates")
    raw = _hex(raws[0]) if isinstance(raws, list) and len(raws) == 1 else b""
    try:
        certificate = open_certificate(raw, root)
    except EvidenceError as error:
        raise OwnerFileError(f"not the certificate of a registrar: {error}") from None
    if certificate.role != REGISTRAR_ROLE:
        raise OwnerFileError(f"not the certificate of a registrar, but of a {certificate.role} key")
    return Registrar(root, raw, certificate)


def read_certificates(data: bytes) -> dict[str, Any]:
    """The fields of a file of certificates, as wayside.trust.changes asks for them; what they say is judged there."""
    fields = _decode(data, CERTIFICATES, "a file of certificates")
    names = ("signer", "certificates", "root", "registrar")
    return {"do": "certify"} | {name: fields[name] for name in names if name in fields}


def fingerprint(public: bytes) -> str:
    """A public key's id in groups of four digits, to be compared by eye."""
    digits = key_id(public).hex()
    return " ".join(digits[start : start + 4] for start in range(0, len(digits), 4))


def _check_public(public: bytes, what: str) -> None:
    try:
        if len(public) != 32:
            raise ValueError("a public key has 64 hexadecimal digits")
        PublicKeys().add(public)
    except ValueError as error:
        raise OwnerFileError(f"{what}: {error}") from None


def _challenge(site: str) -> bytes:
    """Ties the proof to the site. Whoever replays it asks for the same certificate for the same holder."""
    return sha256(b"wayside key request " + site.encode()).digest()[:16]


def _proof(site: str, key: SigningKey) -> bytes:
    proof: bytes = enrol.make_proof(_challenge(site), key.public, key.sign, "gateway", "", 0)
    return proof


def _encode(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, indent=1).encode() + b"\n"


def _decode(data: bytes, form: str, what: str) -> dict[str, Any]:
    if len(data) > MAX_FILE:
        raise OwnerFileError(f"not {what}: {len(data)} bytes are over {MAX_FILE}")
    try:
        fields = json_text.read(data)
    except ValueError:
        fields = None
    if not isinstance(fields, dict) or fields.get("format") != form:
        raise OwnerFileError(f"not {what} of the format {form}, as `wayside keys {_WRITTEN_BY[form]}` writes it")
    return fields


def _hex(value: object) -> bytes:
    try:
        return bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        return b""

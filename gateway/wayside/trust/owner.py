"""What goes between a site and its owner on a memory stick: a request for certificates, and the certificates.

The owner's root key stays in a file on a machine without a network. Both files are JSON with hexadecimal bytes, so that
people can compare fingerprints by eye (docs/keys.md).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from wayside_wire import WireError, enrol
from wayside_wire.pack import key_id

from wayside import json_text
from wayside.evidence.certificate import GATEWAY_ROLE, LOG_ROLE, Certificate, sign_certificate
from wayside.evidence.ed25519 import verifies
from wayside.trust.keys import SigningKey

REQUEST = "wayside-key-request/1"
CERTIFICATES = "wayside-certificates/1"
MAX_FILE = 64 * 1024  # bytes
_ROLES = (LOG_ROLE, GATEWAY_ROLE)


class OwnerFileError(Exception):
    """A file that is not what it should be; the text says which part."""


@dataclass(frozen=True, slots=True)
class Request:
    """The keys that a site wants certified, {role: 32-byte public key}; it has shown that it holds them."""

    site: str
    keys: Mapping[str, bytes]


def make_request(site: str, keys: Mapping[str, SigningKey]) -> bytes:
    """`keys`: by role, "log" and "gateway"."""
    asked = [
        {"role": role, "public": key.public.hex(), "proof": _proof(site, key).hex()} for role, key in keys.items()
    ]
    return _encode({"format": REQUEST, "site": site, "keys": asked})


def read_request(data: bytes) -> Request:
    """OwnerFileError when the file is no request, or the site does not hold what it names."""
    fields = _decode(data, REQUEST, "a request")
    site, asked = fields.get("site"), fields.get("keys")
    if not (isinstance(site, str) and isinstance(asked, list) and 0 < len(asked) <= len(_ROLES)):
        raise OwnerFileError("not a request: site and keys are needed")
    keys = {}
    for each in asked:
        role = each.get("role") if isinstance(each, dict) else None
        if role not in _ROLES or role in keys:
            raise OwnerFileError("not a request: each key has a role of its own, log or gateway")
        public, proof = _hex(each.get("public")), _hex(each.get("proof"))
        try:
            proven = enrol.open_proof(proof, _challenge(site), verifies).public
        except WireError as error:
            raise OwnerFileError(f"the site does not prove that it holds its {role} key: {error}") from None
        if proven != public:
            raise OwnerFileError(f"the proof is for another {role} key")
        keys[role] = public
    return Request(site, keys)


def certify(request: Request, root: SigningKey, now_ms: int) -> bytes:
    """The file of certificates of every key of the request by this root."""
    certificates = [
        sign_certificate(Certificate(request.site, role, public, now_ms), root.public, root.sign).hex()
        for role, public in request.keys.items()
    ]
    fields = {"format": CERTIFICATES, "site": request.site, "root": root.public.hex(), "certificates": certificates}
    return _encode(fields)


def read_certificates(data: bytes) -> dict[str, Any]:
    """The fields of a file of certificates, as wayside.trust.changes asks for them; what they say is judged there."""
    fields = _decode(data, CERTIFICATES, "a file of certificates")
    return {"do": "certify", "root": fields.get("root"), "certificates": fields.get("certificates")}


def fingerprint(public: bytes) -> str:
    """A public key's id in groups of four digits, to be compared by eye."""
    digits = key_id(public).hex()
    return " ".join(digits[start : start + 4] for start in range(0, len(digits), 4))


def _challenge(site: str) -> bytes:
    """Ties the proof to the site. Whoever replays it asks for the same certificate for the same holder."""
    return sha256(b"wayside key request " + site.encode()).digest()[:16]


def _proof(site: str, key: SigningKey) -> bytes:
    proof: bytes = enrol.make_proof(_challenge(site), key.public, key.sign, "gateway", "", 0)
    return proof


def _encode(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, indent=1).encode() + b"\n"


def _decode(data: bytes, form: str, what: str) -> dict[str, Any]:
    try:
        fields = json_text.read(data[: MAX_FILE + 1])
    except ValueError:
        fields = None
    if not isinstance(fields, dict) or fields.get("format") != form:
        raise OwnerFileError(f"not {what} of the format {form}")
    return fields


def _hex(value: object) -> bytes:
    try:
        return bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        return b""

"""Signed statements that are no packs: a COSE_Sign1 whose content type says what kind it is.

The content type is in the protected header, so a signature over one kind can never pass for another, nor for a pack
(whose content type is a number). Payloads are CBOR maps with integer labels 0, 1, 2 ...
"""

from . import WireError, cbor, cose

MAX_STATEMENT = 960  # bytes, as a pack: it has to travel in one frame


def sign_statement(content_type: str, kid: bytes, fields, sign) -> bytes:
    """The statement with `fields` under 0, 1, 2 ...; `sign(message) -> 64 bytes`. ValueError when it is too large."""
    protected = {cose.ALG: cose.EDDSA, cose.CONTENT_TYPE: content_type, cose.KID: kid}
    raw = cose.sign1(protected, cbor.encode(dict(enumerate(fields))), sign)
    if len(raw) > MAX_STATEMENT:
        raise ValueError("%s of %d bytes is over %d" % (content_type, len(raw), MAX_STATEMENT))
    return raw


def open_statement(raw: bytes, content_type: str, count: int, verify):
    """(kid, [fields]) of a statement of this type with `count` fields; WireError for anything else.

    `verify(kid, fields, message, signature) -> bool` sees the fields, because a proof brings its own public key.
    """
    if len(raw) > MAX_STATEMENT:
        raise WireError("%s of %d bytes is over %d" % (content_type, len(raw), MAX_STATEMENT))
    found = []

    def check(protected, unprotected, message, signature):
        kid = _kid(protected, unprotected, content_type)
        fields = _fields(_payload(message), content_type, count)
        found.append(kid)
        found.append(fields)
        return len(signature) == 64 and verify(kid, fields, message, signature)

    cose.open_sign1(raw, check)
    return found[0], found[1]


def _kid(protected: dict, unprotected: dict, content_type: str) -> bytes:
    kid = protected.get(cose.KID)
    if protected.get(cose.CONTENT_TYPE) != content_type:
        raise WireError("%s: another content type" % content_type)
    if unprotected or len(protected) != 3 or protected.get(cose.ALG) != cose.EDDSA:
        raise WireError("%s: header is not that of an EdDSA statement" % content_type)
    if not (isinstance(kid, bytes) and len(kid) == 8):
        raise WireError("%s: key id is not 8 bytes" % content_type)
    return kid


def _payload(signed: bytes) -> bytes:
    """The payload in a Sig_structure: [context, protected, external_aad, payload]."""
    items = cbor.decode(signed)
    return items[3] if isinstance(items, list) else b""


def _fields(payload: bytes, content_type: str, count: int) -> list:
    fields = cbor.decode(payload)
    if not isinstance(fields, dict) or list(fields) != list(range(count)):
        raise WireError("%s: payload is not a map of %d fields" % (content_type, count))
    return [fields[label] for label in range(count)]

"""COSE_Sign1 and COSE_Mac0 (RFC 9052 sections 4.2 and 6.2) over injected keys.

The caller brings `sign(message) -> signature`, `mac(message) -> tag` and their checks, so that this module knows
structures and no algorithm. The algorithm that the protected header names is handed to the check: a key must be used
for its own algorithm only, whatever a message says.
"""

from . import WireError, cbor

TAG_MAC0 = 17
TAG_SIGN1 = 18

ALG = 1
CRIT = 2
CONTENT_TYPE = 3
KID = 4

EDDSA = -8
HMAC_256_64 = 4
HMAC_256_256 = 5


def sign1(protected: dict, payload: bytes, sign, unprotected=None, external_aad: bytes = b"") -> bytes:
    """A tagged COSE_Sign1 with the payload inside; `sign(Sig_structure bytes) -> signature bytes`."""
    return sign1_encoded(_encode_protected(protected), payload, sign, unprotected, external_aad)


def sign1_encoded(header: bytes, payload: bytes, sign, unprotected=None, external_aad: bytes = b"") -> bytes:
    """As sign1, of a protected header that is encoded already."""
    signature = sign(_to_be_signed("Signature1", header, external_aad, payload))
    return _message(TAG_SIGN1, header, unprotected, payload, signature)


def open_sign1(data: bytes, verify, understood=(), external_aad: bytes = b"", tagged: bool = True):
    """(protected, unprotected, payload) of a COSE_Sign1 that `verify` accepts; WireError otherwise.

    `verify(protected, unprotected, message, signature) -> bool`. `understood` names the header labels beyond RFC 9052
    that the caller processes; a `crit` header that names any other is refused.
    """
    return _open(data, TAG_SIGN1, "Signature1", verify, understood, external_aad, tagged)


def mac0(protected: dict, payload: bytes, mac, unprotected=None, external_aad: bytes = b"") -> bytes:
    """A tagged COSE_Mac0; `mac(MAC_structure bytes) -> tag bytes`."""
    header = _encode_protected(protected)
    tag = mac(_to_be_signed("MAC0", header, external_aad, payload))
    return _message(TAG_MAC0, header, unprotected, payload, tag)


def open_mac0(data: bytes, verify, understood=(), external_aad: bytes = b"", tagged: bool = True):
    """(protected, unprotected, payload) of a COSE_Mac0 that `verify` accepts; as open_sign1."""
    return _open(data, TAG_MAC0, "MAC0", verify, understood, external_aad, tagged)


def _encode_protected(protected: dict) -> bytes:
    return cbor.encode(protected) if protected else b""


# Both structures are joined from pieces: a board would spend milliseconds on finding out what is in a list.
_ARRAY_OF_FOUR = b"\x84"
_EMPTY_MAP = b"\xa0"


def _to_be_signed(context: str, header: bytes, external_aad: bytes, payload: bytes) -> bytes:
    start = bytearray(_ARRAY_OF_FOUR)
    cbor.write_text(start, context)
    return b"".join((start, _string(header), _string(external_aad), _string(payload)))


def _message(tag: int, header: bytes, unprotected, payload: bytes, proof: bytes) -> bytes:
    start = bytearray()
    cbor.write_head(start, cbor.TAG, tag)
    start.extend(_ARRAY_OF_FOUR)
    headers = cbor.encode(unprotected) if unprotected else _EMPTY_MAP
    return b"".join((start, _string(header), headers, _string(payload), _string(proof)))


def _string(raw: bytes) -> bytearray:
    out = bytearray()
    cbor.write_bytes(out, raw)
    return out


def _open(data, number, context, verify, understood, external_aad, tagged):
    message = cbor.decode(data)
    if tagged:
        if not isinstance(message, cbor.Tag) or message.number != number:
            raise WireError("COSE: not tag %d" % number)
        message = message.value
    if not (isinstance(message, list) and len(message) == 4):
        raise WireError("COSE: not an array of four")
    header, unprotected, payload, proof = message
    if not (isinstance(header, bytes) and isinstance(unprotected, dict)):
        raise WireError("COSE: headers are not a byte string and a map")
    if not (isinstance(payload, bytes) and isinstance(proof, bytes)):
        raise WireError("COSE: payload or signature is not a byte string")
    protected = _decode_protected(header)
    _check_headers(protected, unprotected, understood)
    if not protected:
        header = b""  # RFC 9052 section 4.4: an empty map counts as the empty string
    if not verify(protected, unprotected, _to_be_signed(context, header, external_aad, payload), proof):
        raise WireError("COSE: signature does not verify")
    return protected, unprotected, payload


def _decode_protected(header: bytes) -> dict:
    if not header:
        return {}
    protected = cbor.decode(header)
    if not isinstance(protected, dict):
        raise WireError("COSE: protected header is not a map")
    return protected


def _check_headers(protected: dict, unprotected: dict, understood) -> None:
    for label in protected:
        if label in unprotected:
            raise WireError("COSE: label %s in both headers" % label)
    if CRIT in unprotected:
        raise WireError("COSE: crit outside the protected header")
    if CRIT not in protected:
        return
    critical = protected[CRIT]
    if not (isinstance(critical, list) and critical):
        raise WireError("COSE: crit is not a list of labels")
    for label in critical:
        if not (cbor.is_int(label) or isinstance(label, str)):
            raise WireError("COSE: crit is not a list of labels")
        if label not in protected:
            raise WireError("COSE: critical label %s is absent" % label)
        if label not in understood and label not in (ALG, CONTENT_TYPE, KID):
            raise WireError("COSE: critical label %s is not understood" % label)

"""Proof of possession: who enrols a key shows that it is his, for a challenge that was never used before.

The key's owner signs the challenge, the key itself and what he is. Without it, whoever sees a public key could enrol
it as his own, and the packs of another board would count as his.
"""

from collections import namedtuple

from . import WireError
from .cbor import is_int
from .pack import key_id
from .statement import open_statement, sign_statement
from .text import is_printable

CONTENT_TYPE = "application/wayside-enrol"
MAX_CLASS = 4  # assurance C0 (a key in a file) to C4

PossessionProof = namedtuple("PossessionProof", ("public", "board", "firmware", "assurance"))
"""public: 32 bytes, the Ed25519 key that was proven; board, firmware: text; assurance: 0 .. 4 for C0 .. C4."""


def make_proof(challenge: bytes, public: bytes, sign, board: str, firmware: str, assurance: int) -> bytes:
    """The proof for this challenge (16 to 32 random bytes); `sign(message) -> 64 bytes` is the key's own.

    ValueError for fields that open_proof() would refuse.
    """
    fields = (challenge, public, board, firmware, assurance)
    wrong = _wrong(fields)
    if wrong:
        raise ValueError("enrol: " + wrong)
    return sign_statement(CONTENT_TYPE, key_id(public), fields, sign)


def open_proof(raw: bytes, challenge: bytes, verify) -> PossessionProof:
    """What the holder of a key proves; WireError unless it is for this challenge and signed by the key itself.

    `verify(public, message, signature) -> bool`.
    """

    def check(kid, fields, message, signature):
        wrong = _wrong(fields)
        if wrong:
            raise WireError("enrol: " + wrong)
        if kid != key_id(fields[1]):
            raise WireError("enrol: key id is not that of the key")
        return verify(fields[1], message, signature)

    fields = open_statement(raw, CONTENT_TYPE, 5, check)[1]
    if fields[0] != challenge:
        raise WireError("enrol: another challenge; ask the board again")
    return PossessionProof(fields[1], fields[2], fields[3], fields[4])


def _wrong(fields) -> str:
    """What is wrong with the fields, empty when nothing is."""
    challenge, public, board, firmware, assurance = fields
    if not (isinstance(challenge, bytes) and 16 <= len(challenge) <= 32):
        return "a challenge has 16 to 32 bytes"
    if not (isinstance(public, bytes) and len(public) == 32):
        return "a public key has 32 bytes"
    if not (is_printable(board, 128) and is_printable(firmware, 128)):
        return "board and firmware are printable ASCII of at most 128 characters"
    if not (is_int(assurance) and 0 <= assurance <= MAX_CLASS):
        return "the class is 0 to %d" % MAX_CLASS
    return ""

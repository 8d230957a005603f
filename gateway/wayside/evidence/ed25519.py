"""Ed25519 signatures (RFC 8032): the one place of the gateway that verifies them, and that says what is a public key.

The rule is that of docs/wire-format.md, "Signatures"; the board's native module has the same. OpenSSL checks signatures
so (S below the order, no cofactor, R compared as it is encoded), but takes keys in a second encoding and of low order:
those are refused here, once for each key.
"""

from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from wayside_wire import WireError
from wayside_wire.pack import key_id

from wayside.evidence import EvidenceError

PUBLIC_SIZE = 32  # bytes

_P = 2**255 - 19
_D = -121_665 * pow(121_666, -1, _P) % _P


class PublicKey:
    """A key that was checked: a point of the curve, in its one encoding, not of low order."""

    __slots__ = ("_key",)

    def __init__(self, public: bytes):
        """EvidenceError says why these bytes are no public key."""
        if len(public) != PUBLIC_SIZE:
            raise EvidenceError(f"a public key has {PUBLIC_SIZE} bytes, this has {len(public)}")
        _check_point(public)
        self._key = Ed25519PublicKey.from_public_bytes(public)

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether the key made the signature. What has not 64 bytes is none."""
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            return False
        return True


def _check_point(public: bytes) -> None:
    """With -x² + y² = 1 + d·x²·y², all that counts is seen from y (the last bit is the sign of x)."""
    y = int.from_bytes(public, "little") & (1 << 255) - 1
    if y >= _P:
        raise EvidenceError("the public key is in no form that counts: its y is not below 2^255 - 19")
    above, below = (y * y - 1) % _P, (_D * y * y + 1) % _P  # x² is their quotient; `below` is never 0
    # x = 0: orders 1 and 2 (with a sign, a second form too). y = 0: order 4. x² = -y²: order 8, twice it has y = 0.
    if above == 0 or y == 0 or (above + y * y * below) % _P == 0:
        raise EvidenceError("the public key is a point of low order, by which anybody can sign")
    if pow(above * below, (_P - 1) // 2, _P) != 1:
        raise EvidenceError("the public key is no point of the curve")


@lru_cache(maxsize=4096)
def public_key(public: bytes) -> PublicKey:
    """The key of these 32 bytes, checked when they are seen first. EvidenceError."""
    return PublicKey(public)


def check_public(public: bytes) -> None:
    """EvidenceError when no signature could count by this key: for every place where a public key comes in."""
    public_key(public)


def verifies(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the 32-byte public key made the signature; False too for what is no key."""
    try:
        return public_key(public).verifies(message, signature)
    except EvidenceError:
        return False


class PublicKeys:
    """Public keys by key id; `verify` is what wayside_wire.pack.open_pack asks for. Whose word counts is not judged."""

    def __init__(self) -> None:
        self._keys: dict[bytes, PublicKey] = {}

    def add(self, public: bytes) -> None:
        """EvidenceError when these are not the bytes of a key."""
        self._keys[key_id(public)] = public_key(public)

    def verify(self, kid: bytes, message: bytes, signature: bytes) -> bool:
        """Whether the key made the signature; WireError when there is no key of this id."""
        key = self._keys.get(kid)
        if key is None:
            raise WireError(f"key {kid.hex()} is not registered in the entries before it")
        return key.verifies(message, signature)

"""Edge cases of Ed25519, made from the group's structure, always the same ones: where verifiers are known to differ.

After "Taming the many EdDSAs" (Chalkias, Garillot, Nikolaenko 2020) and "It's 255:19AM" (de Valence 2020): a key is
A = [a]B + T_i, a nonce point R = [r]B + T_j, with T_0 .. T_7 the points of low order in all their encodings, and
S = r + k·a. Then [S]B - [k]A = R holds without the cofactor exactly where j + k·i is 0 modulo 8, and with it always.
Messages are ground so that it does, and so that it does not. What must come out is known from how a case was made.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha512
from itertools import count

from native.strict_reference import (
    BASE,
    L,
    P,
    Point,
    add,
    affine,
    challenge,
    decode,
    encode,
    low_order,
    negative,
    times,
)

LOW = list(low_order())
SECRETS = [random.Random(n).randrange(1, L) for n in range(4)]


@dataclass(frozen=True)
class Case:
    kind: str
    public: bytes
    message: bytes
    signature: bytes
    holds: bool


@dataclass(frozen=True)
class Spot:
    """[scalar]B + T_torsion in one encoding; `point`: all of it."""

    scalar: int
    torsion: int
    encoded: bytes
    canonical: bool

    @property
    def low(self) -> bool:
        return self.scalar == 0


def encodings(a: Point) -> list[bytes]:
    """Every 32 bytes that a decoder without checks takes for the point; the canonical ones first."""
    x, y = affine(a)
    found = [encode(a)]
    for number in (y, y + P):
        for sign in (0, 1) if x == 0 else (x & 1,):
            if number < 1 << 255:
                found.append((number | sign << 255).to_bytes(32, "little"))
    return list(dict.fromkeys(found))


def spots(scalar: int, torsions: Iterable[int] = range(8)) -> list[Spot]:
    """The eight points over a scalar, or some of them, in every encoding; over 0 the eight have 14 of them."""
    found = []
    point = times(scalar, BASE)
    for torsion in torsions:
        for number, each in enumerate(encodings(add(point, LOW[torsion]))):
            found.append(Spot(scalar, torsion, each, number == 0))
    return found


def small(number: int) -> bytes:
    return number.to_bytes(32, "little")


def sign(a: Spot, r: Spot, message: bytes, over: tuple[bytes, bytes] | None = None) -> bytes:
    """R || S with S = r + k·a; `over`: the encodings of R and A to hash where it is not those that are sent."""
    k = challenge(*(over or (r.encoded, a.encoded)), message)
    return r.encoded + small((r.scalar + k * a.scalar) % L)


def equal(a: Spot, r: Spot, message: bytes) -> bool:
    """Whether [S]B - [k]A is the point R, without the cofactor."""
    return (r.torsion + challenge(r.encoded, a.encoded, message) * a.torsion) % 8 == 0


def mixtures() -> Iterator[Case]:
    """Every key with every R, in every encoding, with a message where the equation holds and one where it does not."""
    for a in spots(0) + spots(SECRETS[0]):
        for r in spots(0) + spots(SECRETS[1]):
            # k·i takes only some values modulo 8, so that for some pairs the equation always holds, or never.
            for wanted in {(r.torsion + k * a.torsion) % 8 == 0 for k in range(8)}:
                message = next(m for m in (b"message %d" % n for n in count()) if equal(a, r, m) == wanted)
                kind = f"{'low' if a.low else 'mixed' if a.torsion else 'plain'} A, "
                kind += f"{'low' if r.low else 'mixed' if r.torsion else 'plain'} R"
                good = wanted and not a.low and r.canonical
                yield Case(kind, a.encoded, message, sign(a, r, message), good)


def hashed_otherwise() -> Iterator[Case]:
    """A verifier that encodes again what it decoded, and hashes that, takes these for good."""
    for a in spots(0) + spots(SECRETS[0]):
        for r in spots(0) + spots(SECRETS[1]):
            if a.canonical and r.canonical:
                continue
            over = tuple(encode(add(times(each.scalar, BASE), LOW[each.torsion])) for each in (r, a))
            yield Case("hashed canonically", a.encoded, b"m", sign(a, r, b"m", (over[0], over[1])), False)


def honest(number: int, message: bytes = b"honest") -> tuple[Spot, bytes]:
    [a], [r] = spots(SECRETS[number], [0]), spots(SECRETS[number - 1], [0])
    return a, sign(a, r, message)


def scalars() -> Iterator[Case]:
    """S in other residues, at its borders and with high bits."""
    for number in range(3):
        a, signature = honest(number)
        s = int.from_bytes(signature[32:], "little")
        others = [s + n * L for n in range(1, 16)] + [s | 1 << bit for bit in (252, 253, 254, 255)] + [L - s]
        for other in [*others, 0, 1, L - 1, L, L + 1, 2**252, 2**253 - 1, 2**255 - 1, 2**256 - 1]:
            if other != s and other < 2**256:
                yield Case("S", a.encoded, b"honest", signature[:32] + small(other), False)
    # By a key of low order R = [S]B fits any S; only the order of the key forbids them, or S itself.
    for a in spots(0):
        for s in (0, 1, L - 1, L, L + 1, 2 * L, 2**255, 2**256 - 1):
            for r in (encode(times(s, BASE)), encode(add(times(s, BASE), LOW[4]))):
                yield Case("S by a low key", a.encoded, b"any", r + small(s), False)


def encoded_points() -> Iterator[Case]:
    """Bytes that are no point, or not in the one form, as key and as R; and both exchanged."""
    a, signature = honest(0)
    beyond = [small(y | sign << 255) for y in range(P, 2**255) for sign in (0, 1)]
    off = [small(y | sign << 255) for y in range(2, 60) for sign in (0, 1) if decode(small(y)) is None]
    near = [small(y | sign << 255) for y in (0, 1, 2, 3, P - 3, P - 2, P - 1) for sign in (0, 1)]
    full = [bytes(32), b"\xff" * 32, bytes(31) + b"\x80", b"\x01" + bytes(30) + b"\x80"]
    for each in beyond + off + near + full:
        yield Case("other A", each, b"honest", signature, False)
        yield Case("other R", a.encoded, b"honest", each + signature[32:], False)
        yield Case("other R, S = 0", a.encoded, b"honest", each + bytes(32), False)
        yield Case("other A = R", each, b"honest", each + bytes(32), False)
    point = times(a.scalar, BASE)
    yield Case("A negated", encode(negative(point)), b"honest", signature, False)
    yield Case("A and R exchanged", signature[:32], b"honest", a.encoded + signature[32:], False)
    yield Case("S and R exchanged", a.encoded, b"honest", signature[32:] + signature[:32], False)
    other_sign = signature[:31] + bytes([signature[31] ^ 0x80]) + signature[32:]
    yield Case("R negated", a.encoded, b"honest", other_sign, False)
    for low in LOW[1:]:  # an honest signature, something of low order put on one end
        yield Case("A moved", encode(add(point, low)), b"honest", signature, False)
        moved = encode(add(times(SECRETS[-1], BASE), low))
        yield Case("R moved", a.encoded, b"honest", moved + signature[32:], False)


def lengths() -> Iterator[Case]:
    a, signature = honest(0)
    for n in (0, 1, 31, 33, 63, 64, 65):
        yield Case("length of A", (a.encoded * 3)[:n], b"honest", signature, False)
    for n in (0, 1, 31, 32, 33, 63, 65, 96, 128):
        yield Case("length of R and S", a.encoded, b"honest", (signature * 2)[:n], False)


def other_variants() -> Iterator[Case]:
    """Signed as Ed25519ctx and Ed25519ph (RFC 8032 section 5.1) do, whose hash begins with a text and a flag."""
    [a], [r] = spots(SECRETS[0], [0]), spots(SECRETS[1], [0])
    for flag, message in ((0, b"m"), (1, sha512(b"m").digest())):
        prefix = b"SigEd25519 no Ed25519 collisions" + bytes([flag, 0])
        yield Case("another variant", a.encoded, message, sign(a, r, message, (prefix + r.encoded, a.encoded)), False)


def honest_and_flipped() -> Iterator[Case]:
    for number, size in enumerate((0, 1, 63, 64, 430)):
        message = random.Random(size).randbytes(size)
        a, signature = honest(number % len(SECRETS), message)
        yield Case("honest", a.encoded, message, signature, True)
    a, signature = honest(1)
    whole = int.from_bytes(a.encoded + signature + b"honest", "little")
    for bit in range(0, 8 * (32 + 64 + 6), 2):
        changed = (whole ^ 1 << bit).to_bytes(102, "little")
        yield Case("a bit flipped", changed[:32], changed[96:], changed[32:96], False)


@cache
def cases() -> tuple[Case, ...]:
    """All of them, none twice."""
    made = [mixtures(), hashed_otherwise(), scalars(), encoded_points(), lengths(), other_variants()]
    found = [each for one in (*made, honest_and_flipped()) for each in one]
    return tuple({(each.public, each.message, each.signature): each for each in found}.values())

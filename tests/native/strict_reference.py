"""Ed25519 verification in plain Python, written from docs/wire-format.md, "Signatures", and nothing else.

Slow and simple: the curve's textbook formulas on extended coordinates, every point decoded and encoded in full. It
shares no code and no shortcut with what it is compared with.
"""

from collections.abc import Iterator
from hashlib import sha512

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)

Point = tuple[int, int, int, int]  # X, Y, Z, T with x = X/Z, y = Y/Z, xy = T/Z

NEUTRAL: Point = (0, 1, 1, 0)


def point(x: int, y: int) -> Point:
    return (x, y, 1, x * y % P)


def add(a: Point, b: Point) -> Point:
    """RFC 8032 section 5.1.4; complete, so that it doubles and takes points of low order too."""
    m = (a[1] - a[0]) * (b[1] - b[0]) % P
    n = (a[1] + a[0]) * (b[1] + b[0]) % P
    t = 2 * a[3] * D * b[3] % P
    z = 2 * a[2] * b[2] % P
    e, f, g, h = n - m, z - t, z + t, n + m
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def negative(a: Point) -> Point:
    return (-a[0] % P, a[1], a[2], -a[3] % P)


def times(scalar: int, a: Point) -> Point:
    total = NEUTRAL
    while scalar:
        if scalar & 1:
            total = add(total, a)
        a = add(a, a)
        scalar >>= 1
    return total


def affine(a: Point) -> tuple[int, int]:
    inverse = pow(a[2], -1, P)
    return a[0] * inverse % P, a[1] * inverse % P


def encode(a: Point) -> bytes:
    x, y = affine(a)
    return (y | (x & 1) << 255).to_bytes(32, "little")


def root(square: int) -> int | None:
    """A square root modulo P; None when there is none."""
    candidate = pow(square, (P + 3) // 8, P)
    for each in (candidate, candidate * SQRT_M1 % P):
        if each * each % P == square % P:
            return each
    return None


def decode(data: bytes) -> Point | None:
    """RFC 8032 section 5.1.3, canonical: the one encoding of a point, or None."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    if y >= P:
        return None
    x = root((y * y - 1) * pow(D * y * y + 1, -1, P))
    if x is None or (x == 0 and sign):
        return None
    return point(x if x & 1 == sign else P - x, y)


BASE = decode((4 * pow(5, -1, P) % P).to_bytes(32, "little")) or NEUTRAL


def challenge(r: bytes, public: bytes, message: bytes) -> int:
    return int.from_bytes(sha512(r + public + message).digest(), "little") % L


def accepts(public: bytes, message: bytes, signature: bytes) -> bool:
    """The rule, step by step."""
    if len(public) != 32 or len(signature) != 64:
        return False
    s = int.from_bytes(signature[32:], "little")
    if s >= L:
        return False
    key = decode(public)
    if key is None:
        return False
    if affine(times(8, key)) == (0, 1):
        return False
    k = challenge(signature[:32], public, message)
    return encode(add(times(s, BASE), times(k, negative(key)))) == signature[:32]


def low_order() -> Iterator[Point]:
    """The eight points whose order divides 8: multiple 0 to 7 of one of order 8, found by clearing the large factor."""
    for y in range(2, 100):
        candidate = decode(y.to_bytes(32, "little"))
        if candidate is None:
            continue
        torsion = times(L, candidate)
        if affine(times(4, torsion)) != (0, 1):
            yield from (times(number, torsion) for number in range(8))
            return

"""Reads register dumps written as Modbus Schemas (YAML) and works out their expressions with our own decoder.

The expression language is that of the dumps' authors; whatever touches registers goes through
wayside_wire.modbus_field, so a dump that comes out right says that the decoder is right.
"""

import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from wayside_wire import modbus_field, number
from wayside_wire.modbus_field import RegisterField

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'[^']*'|\"[^\"]*\")|(?P<hex>0x[0-9A-Fa-f]+)"
    r"|(?P<address>(?:hr|ir|holding-register|input-register|c|di|coil|discrete-input):\d+|[0-9]x\d+)"
    r"|(?P<number>\d+(?:\.\d+(?!\.))?)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<mark>->|\.\.|[()\[\],;#+\-*/^]))"
)
_AREA = {"hr": "hr", "holding-register": "hr", "4": "hr", "ir": "ir", "input-register": "ir", "3": "ir"}


class NotUnderstoodError(Exception):
    """An expression uses something that this reader does not know; it does not guess."""


@dataclass
class Value:
    """A worked-out expression. number: exact, or None; text: as the dumps write it; is_float: how text is formed."""

    number: Fraction | None = None
    text: str | None = None
    names: list[str] | None = None
    is_float: bool = False

    @property
    def missing(self) -> bool:
        return self.number is None and self.text is None and self.names is None


@dataclass
class Memory:
    """Registers of one test, by (area, address)."""

    registers: dict[tuple[str, int], bytes] = field(default_factory=dict)

    def load(self, first: str, raw: str) -> None:
        area, address = _address(first)
        words = re.sub(r"#.*", "", raw).split()
        for offset, word in enumerate(words):
            self.registers[area, address + offset] = bytes.fromhex(word)


def _address(text: str) -> tuple[str, int]:
    if ":" in text:
        area, _, number = text.partition(":")
        return _AREA[area], int(number)
    if "x" in text:
        return _AREA[text[0]], int(text[2:]) - 1
    if len(text) in (5, 6) and text[0] in "34":
        return _AREA[text[0]], int(text[1:]) - 1
    raise NotUnderstoodError(f"address {text}")


class Evaluator:
    """Works out the expressions of one block's fields."""

    def __init__(self, expressions: dict[str, str], memory: Memory):
        self._expressions = expressions
        self._memory = memory

    def value(self, name: str) -> Value:
        parser = _Parser(self._expressions[name], self)
        value = parser.expression()
        parser.end()
        return value

    def data(self, addresses: list[tuple[str, int]]) -> bytes | None:
        found = [self._memory.registers.get(address) for address in addresses]
        return None if None in found else b"".join(word for word in found if word is not None)


class _Parser:
    def __init__(self, text: str, evaluator: Evaluator):
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if match is None:
                raise NotUnderstoodError(f"not understood: {text[at:]!r} in {text!r}")
            kind = match.lastgroup or ""
            self._tokens.append((kind, match[kind]))
            at = match.end()
        self._at = 0
        self._evaluator = evaluator

    def end(self) -> None:
        if self._at != len(self._tokens):
            raise NotUnderstoodError(f"not understood: {self._tokens[self._at :]}")

    def _peek(self, mark: str) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at][1] == mark

    def _take(self, mark: str = "") -> tuple[str, str]:
        token = self._tokens[self._at]
        if mark and token[1] != mark:
            raise NotUnderstoodError(f"{mark} expected, {token[1]} found")
        self._at += 1
        return token

    def expression(self) -> Value:
        left = self._product()
        while self._peek("+") or self._peek("-"):
            sign = self._take()[1]
            left = _combine(left, self._product(), sign)
        return left

    def _product(self) -> Value:
        left = self._power()
        while self._peek("*") or self._peek("/"):
            mark = self._take()[1]
            left = _combine(left, self._power(), mark)
        return left

    def _power(self) -> Value:
        left = self._atom()
        if self._peek("^"):
            self._take()
            return _combine(left, self._power(), "^")
        return left

    def _atom(self) -> Value:
        kind, text = self._take()
        if text == "-":
            inner = self._atom()
            return Value(None if inner.number is None else -inner.number, is_float=inner.is_float)
        if text == "(":
            value = self.expression()
            self._take(")")
            return value
        if kind == "number":
            return Value(Fraction(text), is_float="." in text)
        if kind == "text":
            return Value(text=text[1:-1])
        if kind == "name" and self._peek("("):
            return self._function(text)
        if kind == "name":
            value = self._evaluator.value(text)
            # The authors' runtime has no unsigned 64-bit integer: what is built on one that is too large has no value.
            return Value() if value.number is not None and value.number >= 2**63 else value
        raise NotUnderstoodError(f"{text} not understood")

    # ---- functions over registers

    def _function(self, name: str) -> Value:
        self._take("(")
        if name == "concat":
            parts = [self.expression()]
            while self._peek(","):
                self._take()
                parts.append(self.expression())
            self._take(")")
            return Value(text="".join(_as_text(part) for part in parts))
        data = self._registers()
        missing: list[int] = []
        mapping: dict[int, str] = {}
        while self._peek(";"):
            self._take()
            if self._tokens[self._at][0] == "hex":
                bits = b"".join(bytes.fromhex(self._take()[1][2:].zfill(4)) for _ in self._while_hex())
                missing.append(int.from_bytes(bits, "big"))
            else:
                key = int(self._take()[1])
                self._take("->")
                mapping[key] = self._take()[1][1:-1]
        self._take(")")
        if data is None:
            return Value()
        return _decoded(name, data, frozenset(missing), mapping)

    def _while_hex(self) -> Any:
        while self._tokens[self._at][0] == "hex":
            yield None

    def _registers(self) -> bytes | None:
        """The bytes of the named registers, None where one is not in the dump."""
        kind, text = self._tokens[self._at]
        if kind == "text":
            self._take()
            return b"".join(bytes.fromhex(word[2:].zfill(4)) for word in text[1:-1].split())
        addresses: list[tuple[str, int]] = []
        while True:
            first = _address(self._take()[1])
            if self._peek("#"):
                self._take()
                addresses += [(first[0], first[1] + i) for i in range(int(self._take()[1]))]
            elif self._peek(".."):
                self._take()
                last = _address(self._take()[1])
                addresses += [(first[0], at) for at in range(first[1], last[1] + 1)]
            else:
                addresses.append(first)
            if not self._peek(","):
                return self._evaluator.data(addresses)
            self._take()


def _field(kind: str, count: int, missing: frozenset[int]) -> RegisterField:
    return RegisterField("dump", "", 0, 3, 0, count, kind, False, False, 0, 1, missing, None, 0, None)


_KINDS = {"int": modbus_field.SIGNED, "uint": modbus_field.UNSIGNED, "ieee754_": modbus_field.FLOAT}


def _decoded(name: str, data: bytes, missing: frozenset[int], mapping: dict[int, str]) -> Value:
    count = len(data) // 2
    if name == "hexstring":
        return Value(text=" ".join(f"0x{byte:02X}" for byte in data))
    if name == "utf8":
        return Value(text=modbus_field.text(_field(modbus_field.TEXT, count, missing), data))
    if name in ("enum", "bitset"):
        bits, _ = modbus_field.decode(_field(modbus_field.BITS, count, missing), data)
        if bits is None:
            return Value()
        if name == "enum":
            unknown = "No mapping for value " + " ".join(f"0x{byte:02X}" for byte in data)
            return Value(text=mapping.get(bits, unknown))
        return Value(names=[mapping.get(bit, f"Bit {bit}") for bit in range(16 * count) if bits >> bit & 1])
    kind = next((letter for prefix, letter in _KINDS.items() if re.fullmatch(rf"{prefix}(16|32|64)", name)), None)
    if kind is None or not name.endswith(str(16 * count)):
        raise NotUnderstoodError(f"function {name} over {count} registers is not understood")
    is_float = kind == modbus_field.FLOAT
    one = _field(kind, count, missing)
    mantissa, reason = modbus_field.decode(one, data)
    if reason == modbus_field.NOT_A_NUMBER:
        bits = int.from_bytes(data, "big")
        quiet = bits & ((1 << (23 if count == 2 else 52)) - 1)
        return Value(text="NaN" if quiet else "-Infinity" if bits >> (16 * count - 1) else "Infinity", is_float=True)
    if mantissa is None and reason != modbus_field.TOO_LARGE:
        return Value()
    if is_float:
        # The decoder rounds to whole numbers here; the dumps want the float as it is.
        bits = modbus_field.raw_bits(one, data)
        return Value(Fraction(*(number.f32_fraction(bits) if count == 2 else number.f64_fraction(bits))), is_float=True)
    return Value() if mantissa is None else Value(Fraction(mantissa))


def _combine(left: Value, right: Value, mark: str) -> Value:
    if left.number is None or right.number is None:
        return Value()
    is_float = left.is_float or right.is_float or mark == "/"
    if mark == "+":
        return Value(left.number + right.number, is_float=is_float)
    if mark == "-":
        return Value(left.number - right.number, is_float=is_float)
    if mark == "*":
        return Value(left.number * right.number, is_float=is_float)
    if mark == "/":
        return Value(left.number / right.number, is_float=True)
    # A power of ten makes a real number of whatever it scales.
    return Value(left.number ** int(right.number), is_float=True)


def _as_text(value: Value) -> str:
    if value.text is not None:
        return value.text
    if value.number is None:
        return ""
    return java_double(float(value.number)) if value.is_float else str(value.number)


def java_double(number: float) -> str:
    """A float as the dumps' authors print it: with an exponent below 0.001 and from ten millions on."""
    if number == 0 or 1e-3 <= abs(number) < 1e7:
        return repr(number)
    digits, _, exponent = f"{number!r}".partition("e")
    if not exponent:
        mantissa, exponent = f"{number:.16e}".split("e")
        digits = repr(float(mantissa))
    return f"{digits if '.' in digits else digits + '.0'}E{int(exponent)}"

"""From what a profile says of a register to the field that bus and node read: whole numbers only."""

from fractions import Fraction
from math import lcm

from wayside_wire import modbus, modbus_field
from wayside_wire.modbus_field import More, RegisterField

from .model import (
    Area,
    BasesTable,
    ChannelTable,
    ControlTable,
    DefaultsTable,
    Missing,
    RegisterTable,
    TermTable,
    Written,
)
from .units import UNITS

FUNCTIONS: dict[Area, int] = {
    "coil": modbus.READ_COILS,
    "discrete": modbus.READ_DISCRETE,
    "holding": modbus.READ_HOLDING,
    "input": modbus.READ_INPUT,
}
AREAS = {function: area for area, function in FUNCTIONS.items()}


def kind_of(register: RegisterTable | Written, defaults: DefaultsTable) -> str:
    """The type that holds for the register: its own, that of [registers], or the only one that its area has."""
    if register.type is None and area_of(register, defaults) in ("coil", "discrete"):
        return "bit"
    return register.type or defaults.type


def area_of(register: RegisterTable | Written, defaults: DefaultsTable) -> Area:
    """The area that holds for the register."""
    return register.area or defaults.area


def base_of(area: Area, defaults: DefaultsTable) -> int:
    """The number of the area's first register in the manual; ValueError where the profile does not say it."""
    if not isinstance(defaults.base, BasesTable):
        return defaults.base
    base: int | None = getattr(defaults.base, area)
    if base is None:
        raise ValueError(f"registers.base says nothing of {area} registers; add {area} = the number of the first one")
    return base


def width_of(register: RegisterTable | Written, defaults: DefaultsTable) -> int:
    """Registers of the value itself; ValueError for a text without length."""
    kind = kind_of(register, defaults)
    if kind == "bit":
        return 1
    if kind == "text":
        length = register.registers if isinstance(register, RegisterTable) else None
        if length is None:
            raise ValueError("a text needs its length: write registers = N")
        return length
    return int(kind.lstrip("abcdefghijklmnopqrstuvwxyz")) // 16


def range_of(kind: str, width: int, mask: int = 0) -> tuple[int, int]:
    """The least and the greatest number that stands in `width` bits of this type, or in those of `mask`."""
    bits = bin(mask).count("1") or width
    if kind == "f32" or kind == "f64":
        most = 1 << (128 if kind == "f32" else 1024)
        return -most, most
    if kind[0] == "s":
        return -(1 << bits - 1), (1 << bits - 1) - 1
    if kind.startswith("bcd"):
        return 0, 10 ** (bits // 4) - 1
    return 0, 1 if kind == "bit" else (1 << bits) - 1


def addresses_of(register: RegisterTable | Written, defaults: DefaultsTable) -> list[int]:
    """The protocol address of each register of the value, in the order in which they make it."""
    base = base_of(area_of(register, defaults), defaults)
    width = width_of(register, defaults)
    if isinstance(register.address, int):
        first = _protocol_address(register.address, base)
        if first + width > 65536:
            raise ValueError(f"address {register.address:#06x}: the last of {width} registers would be beyond the end")
        return list(range(first, first + width))
    if len(register.address) != width:
        raise ValueError(f"address: {kind_of(register, defaults)} has {width} registers; write {width} addresses")
    found = [_protocol_address(address, base) for address in register.address]
    if len(set(found)) < len(found):
        raise ValueError("address: names a register twice; each holds another part of the value")
    return found


def compile_register(name: str, register: RegisterTable, defaults: DefaultsTable) -> RegisterField:
    """The field that reads `register`; ValueError says what cannot be."""
    addresses = addresses_of(register, defaults)
    if not isinstance(register, ChannelTable):
        return _placed(_plain(name, register, defaults), addresses)
    scale = None
    if register.scale_register is not None:
        scale = _protocol_address(register.scale_register, base_of(area_of(register, defaults), defaults))
    field = _measured(name, register, register.unit, defaults, scale)
    return _sum(field, register, defaults, addresses) if register.plus else with_scale(_placed(field, addresses))


def with_scale(field: RegisterField) -> RegisterField:
    """The field over its scale register as well: a value of before and the scale factor of now are no value."""
    if field.scale is None:
        return field
    first = min(field.address, field.scale)
    count = max(field.address + field.count, field.scale + 1) - first
    if count == field.count:
        return field
    more = field.more or _NOTHING_MORE
    words = tuple(field.address - first + at for at in more.words or range(field.count))
    return field._replace(address=first, count=count, more=more._replace(words=words))


def compile_control(name: str, control: ControlTable, defaults: DefaultsTable) -> RegisterField:
    """The field that writes `control`, in counts of 10^exponent of its unit; ValueError says what cannot be."""
    unit = UNITS[control.unit]
    field = _placed(_plain(name, control, defaults), addresses_of(control, defaults))
    return field._replace(unit=unit.senml, exponent=control.exponent + unit.power, factor=unit.factor)


def compile_mode(mode: Written, defaults: DefaultsTable) -> RegisterField:
    """The field of a register that puts a control in force; ValueError says what cannot be."""
    return _placed(_plain("", mode, defaults), addresses_of(mode, defaults))


def times(field: RegisterField, ratio: Fraction) -> RegisterField:
    """The field whose value is `ratio` times that of `field`: rounded once, at the end, or not at all."""
    more = field.more or _NOTHING_MORE
    factor = ratio * field.factor * Fraction(10) ** field.shift / more.divisor
    offset = ratio * Fraction(more.offset, more.divisor)
    divisor = lcm(factor.denominator, offset.denominator)
    terms = tuple(times(term, ratio) for term in more.terms)
    is_rounded = divisor != 1 or field.kind == modbus_field.FLOAT or field.scale is not None
    return field._replace(
        shift=0,
        factor=int(factor * divisor),
        more=More(divisor, int(offset * divisor), more.words, terms)
        if is_rounded or offset or more.words or terms
        else None,
    )


_NOTHING_MORE = More(1, 0, (), ())


def _plain(name: str, register: RegisterTable | Written, defaults: DefaultsTable) -> RegisterField:
    """The field of the register's bits as a number, nowhere yet."""
    kind = kind_of(register, defaults)
    width = width_of(register, defaults)
    missing: list[Missing] = []
    if isinstance(register, RegisterTable):
        missing = defaults.missing if register.missing is None else register.missing
    return RegisterField(
        channel=name,
        unit="",
        exponent=0,
        function=FUNCTIONS[area_of(register, defaults)],
        address=0,
        count=width,
        kind=_KINDS.get(kind.rstrip("0123456789"), kind[0]),
        words_low_first=(register.word_order or defaults.word_order) == "little",
        bytes_low_first=(register.byte_order or defaults.byte_order) == "little",
        shift=0,
        factor=1,
        missing=frozenset(missing_bits(one, 16 * width) for one in missing) if kind != "bit" else frozenset(),
        scale=None,
        mask=0,
        more=None,
    )


_KINDS = {"bits": modbus_field.BITS, "bit": modbus_field.UNSIGNED, "bcd": modbus_field.BCD, "text": modbus_field.TEXT}


def missing_bits(value: Missing, width: int) -> int:
    """The register's content that means "no value"."""
    if isinstance(value, int):
        return value
    ones = (1 << width) - 1
    return {"all-ones": ones, "max-signed": ones >> 1, "min-signed": (ones >> 1) + 1}[value]


def _measured(
    name: str, term: TermTable, unit_name: str, defaults: DefaultsTable, scale: int | None = None
) -> RegisterField:
    """The field of a quantity, nowhere yet. scale: address of the register with its scale factor."""
    unit = UNITS[unit_name]
    field = _plain(name, term, defaults)
    kind = modbus_field.MAGNITUDE if term.sign == "magnitude" else field.kind
    # An integer counts 10^exponent of its unit, as the reading does. Not so a float: it counts 10^raw_exponent. With
    # a factor a register counts that, and with a scale register ten to the power of its content.
    own_count = kind == modbus_field.FLOAT or term.factor is not None or scale is not None
    shift = term.raw_exponent - term.exponent if own_count else 0
    factor = -unit.factor if term.sign == "negated" else unit.factor
    exponent = term.exponent + unit.power
    field = field._replace(unit=unit.senml, exponent=exponent, kind=kind, shift=shift, factor=factor)
    field = field._replace(scale=scale, mask=term.mask)
    is_number = unit_name != "1" or term.exponent or term.factor is not None  # and no state, no bits
    if is_number and not term.mask and term.missing != []:
        field = field._replace(missing=field.missing | _ends(kind, 16 * field.count))
    if term.offset:
        # The offset is in the unit and not in counts of the register; it has the sign that it has.
        counts = term.offset * unit.factor / Fraction(10) ** term.exponent
        more = More(counts.denominator, counts.numerator, (), ())
        field = field._replace(factor=field.factor * counts.denominator, more=more)
    if term.factor:
        # Of the register only: the offset stays what it is.
        more = field.more or _NOTHING_MORE
        above, below = term.factor.numerator, term.factor.denominator
        more = more._replace(divisor=more.divisor * below, offset=more.offset * below)
        field = field._replace(factor=field.factor * above, more=more)
    ratio = Fraction(1, unit.divisor)
    return times(field, ratio) if ratio != 1 or field.more else field


def _ends(kind: str, width: int) -> frozenset[int]:
    """What a whole number's registers hold where there is nothing to measure, or more than they can hold.

    Devices say "no value" with one of the ends of the range, and documents often do not say with which.
    """
    ends: dict[str, tuple[Missing, ...]] = {
        modbus_field.UNSIGNED: ("all-ones",),
        modbus_field.SIGNED: ("max-signed", "min-signed"),
        modbus_field.MAGNITUDE: ("max-signed", "all-ones"),
    }
    return frozenset(missing_bits(one, width) for one in ends.get(kind, ()))


def _sum(field: RegisterField, channel: ChannelTable, defaults: DefaultsTable, own: list[int]) -> RegisterField:
    """A channel with `plus`: one field over all its registers, so that one request reads them at one time."""
    places = [addresses_of(term, defaults) for term in channel.plus]
    first = min(min(one) for one in (own, *places))
    last = max(max(one) for one in (own, *places))
    terms = []
    for term, addresses in zip(channel.plus, places, strict=True):
        one = _measured("", term, term.unit or channel.unit, defaults)
        if one.unit != field.unit:
            raise ValueError(f"plus: {term.unit} cannot be added to {channel.unit}")
        if one.function != field.function:
            raise ValueError("plus: one request reads one area; all registers of a sum must be in the same")
        one = _placed(times(one, Fraction(10) ** (one.exponent - field.exponent)), addresses)
        terms.append(one._replace(unit="", exponent=field.exponent, address=one.address - first))
    more = field.more or _NOTHING_MORE
    words = tuple(address - first for address in own)
    return field._replace(address=first, count=last - first + 1, more=more._replace(words=words, terms=tuple(terms)))


def _placed(field: RegisterField, addresses: list[int]) -> RegisterField:
    """The field at these addresses: one after the other, or words that stand apart."""
    first, last = min(addresses), max(addresses)
    if addresses == list(range(first, last + 1)):
        return field._replace(address=first, count=len(addresses))
    more = field.more or _NOTHING_MORE
    words = tuple(address - first for address in addresses)
    return field._replace(address=first, count=last - first + 1, more=more._replace(words=words))


def _protocol_address(address: int, base: int) -> int:
    if not base <= address < base + 65536:
        raise ValueError(f"address {address:#06x} is not between base {base} and base + 65535")
    return address - base

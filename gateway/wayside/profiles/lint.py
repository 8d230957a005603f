"""What cannot be right in a profile: keys that do nothing where they stand, and keys that contradict each other.

A key without effect is an error: whoever wrote it meant something, and the values would not be what was meant.
"""

from collections.abc import Iterator, Mapping
from fractions import Fraction

from . import lint_names, lint_places, lint_probes, lint_unused
from .fields import area_of, compile_mode, compile_register, kind_of, missing_bits, range_of, width_of
from .lint_names import ENERGY
from .model import ChannelTable, ControlTable, DefaultsTable, ProbeTable, ProfileFile, RegisterTable, TermTable, Written
from .units import UNITS

Place = tuple[int | str, ...]
Problem = tuple[Place, str]

_IDENTITY = ("manufacturer", "model", "serial_number", "firmware")

# Manuals that begin a register's number with the digit of its area.
_AREA_OF_BASE = {1: "discrete", 3: "input", 4: "holding"}
_TRANSFORMED = {"V": ("vt",), "A": ("ct",)}
_MANTISSA = {2: 23, 4: 52}  # bits, by the float's registers
_POWERS = ("W", "var", "VA", "J", "vars", "VAs", "C")


def problems(file: ProfileFile) -> list[Problem]:
    """Every problem: the place of the key, what is wrong and what to write."""
    found: list[Problem] = []
    for name, channel in file.channels.items():
        found += [(("channels", name), text) for text in _channel(name, channel, file)]
    for name, register in file.identity.items():
        found += [(("identity", name), text) for text in _identity(name, register, file)]
    for name, control in file.controls.items():
        found += [(("controls", name), text) for text in _control(name, control, file)]
    for i, probe in enumerate(file.probe):
        found += [(("probe", i), text) for text in _probe(probe, file)]
    # Registers are compared, and keys looked for users, only where each register is right for itself.
    return found or [*lint_probes.problems(file), *lint_places.problems(file), *lint_unused.problems(file)]


# ---- one register


def _register(register: RegisterTable | Written | TermTable, defaults: DefaultsTable) -> Iterator[str]:
    """What is wrong with where a value stands and how it is written there."""
    kind, area = kind_of(register, defaults), area_of(register, defaults)
    base = defaults.base
    if isinstance(base, int) and base >= 10_000:
        numbered = _AREA_OF_BASE.get(int(str(base)[0]), area) if base % 10_000 <= 1 else area
        if numbered != area:
            yield (
                f"is a {area} register, and registers.base = {base} is where {numbered} registers begin; write base = "
                f"{{ {numbered} = {base}, {area} = the number of the first of these }}"
            )
    if (kind == "bit") != (area in ("coil", "discrete")):
        if kind == "bit":
            yield 'type = "bit" is for coils and discrete inputs; for a bit of a register write bits16 and mask'
        else:
            yield f'a {area} is a single bit; remove the type, or write area = "holding" or "input"'
        return
    width = width_of(register, defaults)
    one_word = width == 1 or kind == "text"
    if one_word and register.word_order is not None:
        yield f"word_order does nothing: {kind} has no words to put in order; remove it"
    if kind == "bit" and register.byte_order is not None:
        yield "byte_order does nothing: a coil or discrete input is one bit; remove it"
    if isinstance(register, RegisterTable):
        if register.registers is not None and kind != "text":
            yield f"registers does nothing: {kind} has {width}; remove it"
        yield from _missing(register, kind, width, defaults)


def _missing(register: RegisterTable, kind: str, width: int, defaults: DefaultsTable) -> Iterator[str]:
    if kind in ("bit", "text"):
        if register.missing is not None:
            yield f"missing does nothing: {'a single bit' if kind == 'bit' else 'a text'} is never absent; remove it"
        return
    missing = defaults.missing if register.missing is None else register.missing
    bits = [missing_bits(one, 16 * width) for one in missing]
    for value in bits:
        if value < 0:
            content = value & (1 << 16 * width) - 1
            yield f"missing: {value} is never the content of a register; write it as it stands there, {content:#06x}"
        elif value >> 16 * width:
            yield f"missing: {value:#x} does not fit into {kind}; write missing = [...] for it, or [] for none"
        elif kind[0] == "f" and 0 < value & (1 << 16 * width - 1) - 1 < 1 << _MANTISSA[width]:
            yield f"missing: {value} is the content and not the number; write the content, such as 0x7fc00000"
    if len(set(bits)) < len(bits):
        yield "missing: names one content twice; remove one"


def _term(term: TermTable, defaults: DefaultsTable, unit: str) -> Iterator[str]:
    """What is wrong with how a register is a quantity."""
    kind = kind_of(term, defaults)
    is_float, is_integer = kind.startswith("f"), kind[0] in "us"
    if kind == "text":
        yield "a text is no quantity; only [identity] can have one"
        return
    if term.raw_exponent and not is_float:
        yield f"raw_exponent is for floats; {kind} counts 10^exponent of its unit, so write exponent"
    if term.raw_exponent and term.factor is not None:
        yield "raw_exponent and factor say the same; write it in the factor"
    if term.factor == 1:
        yield "factor = 1 does nothing; remove it"
    if "offset" in term.model_fields_set and not term.offset:
        yield "offset = 0 does nothing; remove it"
    if term.factor is not None and not is_float and term.factor < Fraction(10) ** term.exponent:
        needed = term.exponent
        while term.factor < Fraction(10) ** needed:
            needed -= 1
        yield (
            f"a count of the register, {float(term.factor):.3g} {unit}, would be lost in a reading of {term.exponent} "
            f"as exponent; write exponent = {needed} or less"
        )
    if kind.startswith("bit"):
        wrong = [key for key in ("exponent", "factor", "offset", "sign") if key in term.model_fields_set]
        if wrong:
            yield f"{', '.join(wrong)}: bits are no count; remove it, or write a type u16 to u64"
        if unit != "1":
            yield f'bits have no unit; write unit = "1", not "{unit}"'
    if term.sign == "magnitude" and (kind[0] != "u" or term.mask):
        yield f'sign = "magnitude" is for whole registers of type u16 to u64; {kind} has a sign of its own, or none'
    yield from _mask(term, kind, 16 * width_of(term, defaults), is_integer or kind.startswith("bits"))


def _mask(term: TermTable, kind: str, width: int, can_have_one: bool) -> Iterator[str]:
    mask = term.mask
    if "mask" not in term.model_fields_set:
        return
    if not can_have_one:
        yield f"mask does nothing: it takes bits of whole numbers, not of {kind}; remove it"
    elif mask >> width:
        yield f"mask = {mask:#x} names bits that {kind} does not have"
    elif mask in (0, (1 << width) - 1):
        yield f"mask = {mask:#x} does nothing; remove it, or name the bits that count"
    elif not kind.startswith("bits") and (mask // (mask & -mask) + 1) & (mask // (mask & -mask)):
        yield f"mask = {mask:#x} has holes; a number's bits stand side by side"


def _channel(name: str, channel: ChannelTable, file: ProfileFile) -> Iterator[str]:
    defaults = file.registers
    try:
        found = [*_register(channel, defaults), *_term(channel, defaults, channel.unit)]
        for i, term in enumerate(channel.plus):
            texts = [*_register(term, defaults), *_term(term, defaults, term.unit or channel.unit)]
            found += [f"plus[{i + 1}]: {text}" for text in texts]
        if not found:
            field = compile_register(name, channel, defaults)
            found += _reach(channel, field.count, file)
    except ValueError as error:
        yield str(error)
        return
    yield from found
    yield from lint_names.problems(name, channel)
    yield from lint_names.coarse(name, channel, defaults)
    yield from _ratio(channel)
    yield from _counter(name, channel, defaults)
    yield from _scale(channel, defaults)
    yield from _meanings(channel, defaults)
    if channel.stride is not None and file.parts is None:
        yield "stride does nothing: the device has no [parts]; remove it"


def _reach(channel: ChannelTable, count: int, file: ProfileFile) -> Iterator[str]:
    """Whether one request can read it: words that were read one after the other may belong to two values."""
    yield from _one_request(count, file)
    own = sum(width_of(one, file.registers) for one in (channel, *channel.plus))
    own += channel.scale_register is not None
    if count > own and not file.requests.read_gaps:
        yield "its registers stand apart, and read_gaps = false forbids to read those between them in one request"


def _ratio(channel: ChannelTable) -> Iterator[str]:
    if channel.ratio is None:
        return
    senml = UNITS[channel.unit].senml
    allowed = _TRANSFORMED.get(senml, ("ct", "vt", "ct*vt") if senml in _POWERS else ())
    if channel.ratio not in allowed:
        which = f'write "{allowed[0]}"' if allowed else "remove it"
        yield f'ratio = "{channel.ratio}": no transformer changes what is in {channel.unit} so; {which}'


def _counter(name: str, channel: ChannelTable, defaults: DefaultsTable) -> Iterator[str]:
    """What is wrong with a counter, or with a key of counters at another channel."""
    kind = kind_of(channel, defaults)
    if not name.startswith(ENERGY):
        if channel.rollover is not None:
            yield "rollover does nothing: only channels that begin with energy_ are counters; remove it"
        return
    if channel.sign == "negated" and kind[0] == "u":
        yield 'sign = "negated": a counter grows, and this one would fall; remove it, or write type s32 or s64'
    for number, term in enumerate(channel.plus, 1):
        if term.sign == "negated":
            yield f'plus[{number}]: sign = "negated": a counter grows, and a difference falls; write two channels'
    if channel.rollover is None:
        return
    if channel.resets:
        yield f'rollover does nothing: a count that begins again by design ("{channel.resets}") has no end; remove one'
    most = range_of(kind, 16 * width_of(channel, defaults), channel.mask)[1]
    if not channel.plus and channel.rollover - 1 > most:
        yield f"rollover = {channel.rollover}: {kind} starts again before that; remove it"
    elif not _is_an_end(channel.rollover) and not _is_an_end(channel.rollover * (channel.factor or 1)):
        yield (
            f"rollover = {channel.rollover}: registers end at a power of two and displays at a power of ten, 10000 or "
            "more; write the first count that never stands there, such as 10_000_000 for 9999999"
        )


def _is_an_end(count: Fraction | int) -> bool:
    """Whether something can begin again at this count: a display of so many digits, a register of so many bits."""
    return count in {10**digits for digits in range(4, 20)} | {2**bits for bits in range(15, 65)}


def _scale(channel: ChannelTable, defaults: DefaultsTable) -> Iterator[str]:
    if channel.scale_register is None:
        return
    kind = kind_of(channel, defaults)
    if kind[0] not in "us" and not kind.startswith("bcd"):
        yield f"scale_register does nothing for {kind}; it is for whole numbers"
    if channel.plus:
        yield "scale_register and plus do not go together: it is not known which register is scaled"


def _meanings(channel: ChannelTable, defaults: DefaultsTable) -> Iterator[str]:
    if not channel.meanings:
        return
    kind = kind_of(channel, defaults)
    width = bin(channel.mask).count("1") or (1 if kind == "bit" else 16 * width_of(channel, defaults))
    if kind[0] not in "usb" or kind.startswith("bcd") or channel.unit != "1" or channel.plus or channel.exponent:
        yield 'meanings are for what stands in the register: a whole number or bits, unit = "1" and no exponent'
        return
    if any(key in channel.model_fields_set for key in ("factor", "offset", "sign", "scale_register", "ratio")):
        yield "meanings: the number is the register's own; remove factor, offset, sign, scale_register and ratio"
    is_bits = kind.startswith("bits")
    for value in channel.meanings:
        if not value.removeprefix("-").isdecimal() or not value.isascii():
            yield f'meanings: "{value}" is no number; write a whole number = "what it means"'
        elif is_bits and not 0 <= int(value) < width:
            yield f"meanings: there is no bit {value}; write 0 to {width - 1}"
        elif not is_bits and int(value) in (channel.missing or ()):
            yield f"meanings: {value} is never shown, it is among missing; remove it from one of them"
        elif not is_bits and not (-(1 << width - 1) if kind[0] == "s" else 0) <= int(value) < 1 << width:
            yield f"meanings: {value} never stands in {kind}"


def _identity(name: str, register: RegisterTable, file: ProfileFile) -> Iterator[str]:
    defaults = file.registers
    if name not in _IDENTITY:
        yield f"is read by nobody; write one of {', '.join(_IDENTITY)}"
    try:
        yield from _register(register, defaults)
        kind = kind_of(register, defaults)
        if kind == "bit":
            yield "one bit identifies nothing"
        elif kind[0] == "f":
            yield f"{kind} identifies nothing: it rounds long numbers; write the type that the manual has, or u32"
        if isinstance(register.address, list):
            yield "address: an identity stands in one place; write the number of its first register"
        yield from _one_request(compile_register(name, register, defaults).count, file)
    except ValueError as error:
        yield str(error)


def _one_request(count: int, file: ProfileFile) -> Iterator[str]:
    if count > file.requests.max_registers:
        yield f"needs {count} registers in one request, requests.max_registers allows {file.requests.max_registers}"


def _probe(probe: ProbeTable, file: ProfileFile) -> Iterator[str]:
    """What is wrong with where it stands; what it expects there is for lint_probes."""
    defaults = file.registers
    register = RegisterTable(address=probe.address, area=probe.area, type=probe.type)
    if kind_of(register, defaults) == "text":
        yield "a text is not compared; write the type of a number"
        return
    try:
        yield from _register(register, defaults)
        yield from _one_request(compile_register("", register, defaults).count, file)
    except ValueError as error:
        yield str(error)


def _control(name: str, control: ControlTable, file: ProfileFile) -> Iterator[str]:
    sign = -1 if control.sign == "negated" else 1
    if problems := [*_written(control, {"min": sign * control.min, "max": sign * control.max}, file)]:
        yield from problems
        return
    yield from lint_names.problems(name, control)
    if control.min > control.max:
        yield f"min = {control.min} is above max = {control.max}; nothing could be written"
    taken = {control.address: "the value"}
    for i, mode in enumerate(control.mode):
        where = f"mode {i + 1}: "
        yield from (where + text for text in _written(mode, {"on": mode.on, "off": mode.off}, file))
        if mode.on == mode.off:
            yield f"{where}on and off are both {mode.on}; it puts nothing in force, or never gives it back"
        if mode.address in taken:
            yield f"{where}writes the register of {taken[mode.address]} once more; look at address"
        taken[mode.address] = f"mode {i + 1}"
    if control.stride is not None and file.parts is None:
        yield "stride does nothing: the device has no [parts]; remove it"


def _written(register: Written, values: Mapping[str, int], file: ProfileFile) -> Iterator[str]:
    """What is wrong with a register that is to be written. values: what may be written, by the key that says so."""
    defaults = file.registers
    kind = kind_of(register, defaults)
    if area_of(register, defaults) != "holding":
        yield 'only holding registers are written; write area = "holding"'
        return
    if kind[0] not in "us":
        yield f"{kind} cannot be written; write a type u16 to u64 or s16 to s64"
        return
    yield from _register(register, defaults)
    try:
        yield from _one_request(compile_mode(register, defaults).count, file)
    except ValueError as error:
        yield str(error)
    width = width_of(register, defaults)
    if width > 1 and file.requests.write_function == 6:
        yield f"function 6 writes one register, and {kind} has {width}; write requests.write_function = 16"
    low, high = range_of(kind, 16 * width)
    for key, value in values.items():
        if not low <= value <= high:
            yield f"{key} = {value} cannot be written into {kind}; it holds {low} to {high}"

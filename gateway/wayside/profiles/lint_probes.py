"""What cannot be right in the probes of a profile: checks that no device passes, that every device passes, or twice."""

from collections.abc import Iterator

from .fields import addresses_of, area_of, kind_of, missing_bits, range_of, width_of
from .model import Area, DefaultsTable, ProbeTable, ProfileFile, RegisterTable

Problem = tuple[tuple[int | str, ...], str]


def problems(file: ProfileFile) -> list[Problem]:
    """Every problem: the place of the key, what is wrong and what to write."""
    found: list[Problem] = []
    taken: dict[tuple[Area, int], int] = {}
    for i, probe in enumerate(file.probe):
        register = RegisterTable(address=probe.address, area=probe.area, type=probe.type)
        found += [(("probe", i), text) for text in _expected(probe, register, file.registers)]
        area = area_of(register, file.registers)
        places = [(area, at) for at in addresses_of(register, file.registers)]
        for other in sorted({taken[place] for place in places if place in taken}):
            # All must hold, so two of one register are one check, or a contradiction.
            found.append((("probe", i), f"looks at a register of probe[{other + 1}] again; write both as one check"))
        taken.update(dict.fromkeys(places, i))
    return found


def _expected(probe: ProbeTable, register: RegisterTable, defaults: DefaultsTable) -> Iterator[str]:
    """Whether some devices pass the check, and not all."""
    kind = kind_of(register, defaults)
    width = 16 * width_of(register, defaults)
    least, most = range_of(kind, width)
    if probe.expect:
        if probe.min is not None or probe.max is not None:
            yield "expect says all; remove min and max"
        if len(set(probe.expect)) < len(probe.expect):
            yield "expect: names one value twice; remove one"
        for value in probe.expect:
            if not least <= value <= most:
                yield f"expect: {value} never stands in {kind}"
            elif _is_missing(value, kind, width, defaults):
                yield f"expect: {value} means no value, as [registers] says, and is never found; write another"
        is_any = len(set(probe.expect)) > most - least
    else:
        assert probe.min is not None and probe.max is not None
        low, high = max(least, probe.min), min(most, probe.max)
        if probe.min > probe.max:
            yield f"min = {probe.min} is above max = {probe.max}; no device would fit"
        elif low > high:
            yield "min to max never stands in " + kind
        elif high - low < 8 and all(_is_missing(value, kind, width, defaults) for value in range(low, high + 1)):
            yield f"min to max: {low} means no value, as [registers] says, and is never found; write others"
        is_any = (low, high) == (least, most)
    if is_any:
        yield f"every {kind} fits, so it tells no device from another; write what only this one has"


def _is_missing(value: int, kind: str, width: int, defaults: DefaultsTable) -> bool:
    """Whether a register that holds this number has no value."""
    if kind[0] not in "us":
        return False
    return value & (1 << width) - 1 in {missing_bits(one, width) for one in defaults.missing}

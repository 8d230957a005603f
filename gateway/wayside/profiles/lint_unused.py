"""Keys of whole tables that no channel, register or rule of the profile uses."""

from collections.abc import Iterator

from .fields import kind_of, width_of
from .lint_names import ENERGY
from .model import ProfileFile, RegisterTable, Written

Place = tuple[int | str, ...]
Problem = tuple[Place, str]


def problems(file: ProfileFile) -> list[Problem]:
    """Every problem: the place of the key, what is wrong and what to write."""
    return [*_about(file), *_requests(file), *_registers(file), *_parts(file), *_channels(file)]


def _about(file: ProfileFile) -> Iterator[Problem]:
    if file.profile.max_power_w is not None and not any(name.startswith(ENERGY) for name in file.channels):
        yield (
            ("profile", "max_power_w"),
            "does nothing: only counters are watched with it, and no channel begins with energy_; remove it",
        )


def _requests(file: ProfileFile) -> Iterator[Problem]:
    requests = file.requests
    if "write_function" in requests.model_fields_set and not file.controls:
        yield ("requests", "write_function"), "nothing can be written: there are no controls; remove it"
    if "step" in requests.model_fields_set:
        if not requests.read_gaps:
            yield (
                ("requests", "step"),
                "does nothing: with read_gaps = false no request is longer than its values; remove one of both",
            )
        elif requests.step >= requests.max_registers:
            yield (
                ("requests", "step"),
                f"does nothing: a request of {requests.max_registers} registers, as max_registers says, has no room to "
                "grow by it; look at both",
            )


def _registers(file: ProfileFile) -> Iterator[Problem]:
    """Defaults that hold for no register, because none has such a thing or each says its own."""
    defaults = file.registers
    terms = [term for channel in file.channels.values() for term in channel.plus]
    probes = [RegisterTable(address=one.address, area=one.area, type=one.type) for one in file.probe]
    read: list[RegisterTable] = [*file.channels.values(), *terms, *file.identity.values(), *probes]
    modes = [mode for control in file.controls.values() for mode in control.mode]
    both: list[RegisterTable | Written] = [*read, *file.controls.values(), *modes]
    kinds = [(one, kind_of(one, defaults), width_of(one, defaults)) for one in both]
    said = defaults.model_fields_set
    if "word_order" in said and not any(
        one.word_order is None and width > 1 and kind != "text" for one, kind, width in kinds
    ):
        yield ("registers", "word_order"), "does nothing: no value has two words, or each says its own; remove it"
    if "byte_order" in said and not any(one.byte_order is None and kind != "bit" for one, kind, _ in kinds):
        yield ("registers", "byte_order"), "does nothing: no value has bytes, or each says its own; remove it"
    if defaults.missing and not any(
        one.missing is None and kind_of(one, defaults) not in ("bit", "text") for one in read
    ):
        yield ("registers", "missing"), "does nothing: no value can be absent so, or each says its own; remove it"


def _parts(file: ProfileFile) -> Iterator[Problem]:
    own = [one.stride for table in (file.channels, file.controls) for one in table.values()]
    if file.parts is not None and all(stride == 0 for stride in own):
        yield ("parts",), "does nothing: every channel has stride = 0, so all parts are the same; remove it"


def _channels(file: ProfileFile) -> Iterator[Problem]:
    if not any(channel.default for channel in file.channels.values()):
        yield (
            ("channels",),
            "each has default = false: a device with this profile would report nothing; let the important ones be",
        )

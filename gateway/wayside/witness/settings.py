"""The file of `wayside witness --config`: who the witness is, where it listens and whose logs it co-signs."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError

from wayside.evidence.note import NoteKey, check_name, parse_log_key
from wayside.settings import toml_file
from wayside.settings.table import Table, WrittenAsText


class WitnessFileError(Exception):
    """A file that cannot be used: one line for each problem."""

    def __init__(self, problems: list[str]):
        super().__init__("\n".join(problems))


def _witness_name(text: str) -> str:
    check_name(text)
    return text


class WitnessSettings(Table):
    """`state`: the folder of its key and its memory, from the file on. `logs`: verifier keys, one for each site."""

    name: Annotated[str, AfterValidator(_witness_name)]
    logs: list[Annotated[NoteKey, WrittenAsText(parse_log_key)]] = Field(min_length=1)
    state: str = "witness"
    host: str = "127.0.0.1"
    port: int = Field(8431, ge=0, le=65_535)


def load(path: Path) -> WitnessSettings:
    """WitnessFileError with every problem, each with its line."""
    return toml_file.load(path, WitnessSettings, "a witness file", WitnessFileError)[0]


def from_flags(given: dict[str, Any]) -> WitnessSettings:
    """The same checks for what the command line says; without a file no problem has a line."""
    needed = {"state": "FOLDER", "name": "--name", "logs": "--log"}
    if missing := [flag for key, flag in needed.items() if key not in given]:
        raise WitnessFileError([f"{', '.join(missing)} missing; give them, or --config FILE"])
    try:
        return WitnessSettings(**given)
    except ValidationError as problems:
        told = [(each["loc"][0], toml_file.explained(WitnessSettings, each)) for each in problems.errors()]
        raise WitnessFileError([f"{key}: {text}" for key, text in told]) from None

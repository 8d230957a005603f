"""What a judgement is made of: findings, what the reader asks for beyond truth, and how both are put into words."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from wayside.evidence.policy import WitnessPolicy

SHOWN = 20  # problems or gaps that a line names; all of them are in the facts


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the judgement. check: what was judged; device: of whom, "" for the whole; facts: for programs."""

    check: str
    holds: bool
    text: str
    device: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        return f"{self.device} {self.check}".lstrip()


@dataclass(frozen=True, slots=True)
class Demands:
    """What the reader asks for beyond truth.

    policy: witnesses who must have co-signed; min_class: a lowest assurance class, proven, of the keys that signed
    packs; fresh_s and now_s: how old, in seconds, the newest cosignature that counts may be, by the reader's clock
    (seconds since 1970).
    """

    policy: WitnessPolicy | None = None
    min_class: int | None = None
    fresh_s: int | None = None
    now_s: int | None = None


NO_DEMANDS = Demands()


class Findings:
    """The findings so far, in order."""

    def __init__(self) -> None:
        self.all: list[Finding] = []

    def say(self, check: str, holds: bool, text: str, device: str = "", **facts: Any) -> None:
        self.all.append(Finding(check, holds, text, device, facts))

    @property
    def hold(self) -> bool:
        return all(finding.holds for finding in self.all)


def with_problems(text: str, problems: Sequence[str]) -> str:
    """The text, and the first of the problems behind it."""
    more = f" and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    return "; ".join([text, *problems[:SHOWN]]) + more


def utc(time_ms: int) -> str:
    """A time in ms since 1970, for people."""
    try:
        return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return f"{time_ms} ms"


def proves_fraud(findings: Iterable[Finding]) -> bool:
    """Whether the log's key signed what contradicts itself: then the file is proof of it."""
    return any(finding.facts.get("fraud") for finding in findings)


def lines(findings: Iterable[Finding]) -> Iterator[str]:
    """The judgement for people, one line each: names and reasons come from strangers, so only what prints is shown."""
    for finding in findings:
        yield printable(f"{'holds' if finding.holds else 'FAILS'}  {finding.subject:<22} {finding.text}")


def printable(text: str) -> str:
    """The text with a question mark for what would not be shown as it is."""
    return "".join(each if each.isprintable() else "?" for each in text)

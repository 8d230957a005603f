"""A controller's decisions as entries of the log, and each of them made again from what it was made of.

An entry holds all that the step was given: kind, options, state, inputs and time. The step is pure, so whoever has the
software sees for each decision whether it follows from that.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, NamedTuple

from pydantic import Field

from wayside.control import controllers
from wayside.control.controllers import Ask, Cycle, Input, Options, State
from wayside.evidence import EvidenceError
from wayside.evidence.kinds import DecisionBody
from wayside.settings.table import Table
from wayside.text import json_text
from wayside.values.reading import TimeQuality

Asks = Mapping[str, Ask]


class Step(NamedTuple):
    """One step of a controller: all that it was given, and what it asked for."""

    kind: str
    options: Options
    state: State
    cycle: Cycle
    asks: Asks


class _Inputs(Table):
    """What stands in the inputs of an entry; numbers are the texts of exact decimals."""

    kind: str
    options: str
    state: dict[str, bool | int | str | None]
    now_ms: int
    utc_ms: int
    time_quality: int
    reads: dict[str, Annotated[tuple[str | None, str, str], Field(strict=False)]]
    asks: dict[str, Annotated[tuple[str | None, str], Field(strict=False)]]


def as_body(name: str, targets: Mapping[str, str], step: Step) -> DecisionBody:
    """The entry of a decision. targets: by output, the actuator as people call it."""
    what = "; ".join(f"{targets[output]}: {as_text(ask.number) or 'nothing'}" for output, ask in step.asks.items())
    cause = "; ".join(dict.fromkeys(ask.why for ask in step.asks.values()))
    return DecisionBody(
        name,
        what,
        cause,
        {
            "kind": step.kind,
            "options": json.dumps(step.options.model_dump(), default=_written),
            "state": dict(step.state),
            "now_ms": step.cycle.now_ms,
            "utc_ms": step.cycle.utc_ms,
            "time_quality": int(step.cycle.time_quality),
            "reads": {key: [as_text(each.value), each.unit, each.why] for key, each in step.cycle.inputs.items()},
            "asks": {key: [as_text(each.number), each.why] for key, each in step.asks.items()},
        },
    )


def step_of(body: DecisionBody) -> Step:
    """What `as_body` wrote down; EvidenceError: it is no decision of a controller that is here."""
    try:
        known = _Inputs.model_validate(body.inputs)
        kind = controllers.FILES.known(known.kind)
        return Step(
            kind,
            controllers.load(kind).Settings.model_validate(json_text.read(known.options)),
            known.state,
            Cycle(
                {key: Input(_number(value), unit, why) for key, (value, unit, why) in known.reads.items()},
                known.now_ms,
                known.utc_ms,
                TimeQuality(known.time_quality),
            ),
            {key: Ask(_number(value), why) for key, (value, why) in known.asks.items()},
        )
    except (ValueError, ArithmeticError) as error:
        raise EvidenceError(f"is none that can be made again: {error}") from None


class Replayed(NamedTuple):
    """A decision of the log, and what the same step asks for here: the same where it `follows`."""

    decided: Asks
    again: Asks

    @property
    def follows(self) -> bool:
        return self.decided == self.again


def replay(body: DecisionBody) -> Replayed:
    """The decision, made again; EvidenceError where it cannot be."""
    step = step_of(body)
    try:
        _, again = controllers.load(step.kind).step(step.options, step.state, step.cycle)
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:  # of a state that is another version's
        raise EvidenceError(f"cannot be made again: {type(error).__name__}: {error}") from None
    return Replayed(step.asks, again)


def _written(value: object) -> int | float:
    """An option's number as a site file has it."""
    if not isinstance(value, Decimal):
        raise TypeError(f"options with a {type(value).__name__} cannot be written down")
    return int(value) if value == value.to_integral_value() else float(value)


def as_text(value: Decimal | None) -> str | None:
    """An exact decimal, written out."""
    return None if value is None else f"{value:f}"


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)

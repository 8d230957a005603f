"""The desk as people and programs come to it: over the management socket and the status site."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, ValidationError

from wayside.daemon.manage import Handler
from wayside.parts.part import Commanded
from wayside.settings.table import Number, Table
from wayside.settings.toml_file import Model, first_explained
from wayside.text.unknown import unknown

ASK, WITHDRAW = "ask", "withdraw"

OPERATOR = 8
"""The priority of an operator by hand (ANSI/ASHRAE 135, command prioritization)."""


class DeskAsk(Table):
    """Somebody asks that `target` has `value`, a number of its unit or a name, for `seconds`.

    unit: of the number, as he knows it; None: that of the control, whatever it is.
    """

    do: Literal["ask"]
    target: str = Field(max_length=120)
    value: str = Field(max_length=80)
    unit: str | None = Field(None, max_length=80)
    seconds: Number
    priority: int = OPERATOR


class Withdraw(Table):
    """He takes it back."""

    do: Literal["withdraw"]
    target: str = Field(max_length=120)


class Desk:
    """All that may be commanded of one gateway, as it is at the moment."""

    def __init__(self, commanded: Callable[[], Sequence[Commanded]]):
        self._commanded = commanded

    def handlers(self) -> dict[str, Handler]:
        """For `serve_manager`."""

        async def answer(request: Mapping[str, Any], who: str) -> dict[str, Any]:
            return self.answer(request, who)

        return dict.fromkeys((ASK, WITHDRAW), answer)

    def answer(self, request: Mapping[str, Any], who: str) -> dict[str, Any]:
        """To {"do": "ask", "target", "value", "unit", "seconds", "priority"} or {"do": "withdraw", "target"} of `who`.

        ValueError says what may be asked.
        """
        if request.get("do") == ASK:
            asked = _read(DeskAsk, request)
            actuator = self._find(asked.target)
            unit = actuator.what.unit
            if asked.unit not in (None, unit):
                now = f"is in {unit} now" if unit else "has no unit now"
                raise ValueError(f"{actuator.name} {now}, not in {asked.unit or 'a number alone'}; ask again")
            told = actuator.ask(who, asked.value, float(asked.seconds), asked.priority)
            return {"ok": True, "text": told}
        if request.get("do") != WITHDRAW:
            raise ValueError(f'do: write "{ASK}" or "{WITHDRAW}"')
        return {"ok": True, "text": self._find(_read(Withdraw, request).target).withdraw(who)}

    def _find(self, target: str) -> Commanded:
        there = {each.name: each for each in self._commanded()}
        if target not in there:
            raise ValueError(unknown("actuator", target, there) if there else "this site has no [[actuator]]")
        return there[target]


def _read(model: type[Model], request: Mapping[str, Any]) -> Model:
    try:
        return model.model_validate(request)
    except ValidationError as problems:
        raise ValueError(first_explained(model, problems)) from None

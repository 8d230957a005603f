"""The table `[[journal]]` of a site file. What it asks for is made in `kinds.journal`, between `control` and `log`."""

from collections.abc import Iterable, Iterator

from pydantic import model_validator

from wayside.control.desk.controlled import NAME
from wayside.control.desk.table import journal_claim
from wayside.parts.part import DEVICE, Claim, Settings
from wayside.settings.config_values import FileBeside, Name


class JournalFolder(Settings):
    """Where a controller (`wayside signals run`, `monitor`) keeps its journal; its entries go into the log.

    junction_file: what `wayside signals run` runs, for the phase diagram on the status site. desk: what the controller
    runs may be asked for at the desk.
    """

    name: Name
    folder: str
    junction_file: FileBeside | None = None
    desk: bool = False

    @model_validator(mode="after")
    def _has_choices(self) -> "JournalFolder":
        if self.desk and not self.junction_file:
            raise ValueError("desk = true needs junction_file: the plans and stages that may be asked for stand there")
        return self

    def title(self) -> str:
        return f"journal {self.name}"

    def journals(self) -> Iterable[str]:
        return [self.name, NAME] if self.desk else [self.name]

    def claims(self) -> Iterator[Claim]:
        yield Claim(DEVICE, self.name, ("name",))
        if self.desk:
            yield journal_claim(self.title())

"""The table `[[journal]]` of a site file. What it asks for is made in `kinds.journal`, between `control` and `log`."""

from collections.abc import Iterable

from wayside.parts.part import DEVICE, Claim, Settings
from wayside.settings.config_values import FileBeside, Name


class JournalFolder(Settings):
    """Where a controller (`wayside signals run`, `monitor`) keeps its journal; its entries go into the log.

    junction_file: what `wayside signals run` runs, for the phase diagram on the status site.
    """

    name: Name
    folder: str
    junction_file: FileBeside | None = None

    def title(self) -> str:
        return f"journal {self.name}"

    def journals(self) -> Iterable[str]:
        return [self.name]

    def claims(self) -> Iterable[Claim]:
        return [Claim(DEVICE, self.name, ("name",))]

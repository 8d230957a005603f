"""The table `[[witness]]` of a site file. What all of them ask for is made in `kinds.witnesses`."""

from collections.abc import Iterator

from wayside.parts.part import Claim, Settings
from wayside.settings.config_values import Name, WitnessKey, WitnessUrl


class WitnessTable(Settings):
    """Who co-signs the log's checkpoints (C2SP tlog-witness)."""

    name: Name
    url: WitnessUrl
    vkey: WitnessKey

    def title(self) -> str:
        return f"witness {self.name}"

    def claims(self) -> Iterator[Claim]:
        yield Claim("witness", self.name, ("name",))
        yield Claim("witness key", str(self.vkey), ("vkey",))

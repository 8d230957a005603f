"""All `[[witness]]` of a site: one part has them co-sign the log, for a log's checkpoint goes to all of them."""

from collections.abc import Iterator, Sequence

from wayside.kinds.core import Core
from wayside.kinds.cosigning import Cosigning, WitnessAbout
from wayside.parts.part import Part
from wayside.site.config import SiteFile
from wayside.site.log import witness_clients
from wayside.witness.table import WitnessTable


def wanted(site: SiteFile) -> Iterator[tuple[str, tuple[Sequence[WitnessTable], int]]]:
    if witnesses := site.of(WitnessTable):
        yield "witnesses", (witnesses, site.log.cosign_s)


def make(witnesses: Sequence[WitnessTable], every_s: int, core: Core) -> Part:
    clock, committer = core.clock, core.committer
    clients = witness_clients(witnesses, core.opened.log_key.public, lambda: (clock.utc_ms(), clock.time_quality()))
    cosigning = Cosigning(core.state / "log", clients, committer, every_s, clock, core.end_epoch)
    abouts = tuple(WitnessAbout(cosigning, name, lambda: committer.size, clock) for name in cosigning.standings)
    return Part({"witnesses": cosigning.run}, abouts, (cosigning.pulse(),), (cosigning,))

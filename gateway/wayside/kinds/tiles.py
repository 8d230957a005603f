"""`[log] http`: the log's tiles and checkpoints, served to everybody."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from wayside.kinds.core import Core
from wayside.net import http
from wayside.net.endpoint import Address
from wayside.parts.part import Part
from wayside.site.config import SiteFile


def wanted(site: SiteFile) -> Iterator[tuple[str, tuple[Address]]]:
    if site.log.http:
        yield "tiles", (site.log.http,)


def make(address: Address, core: Core) -> Part:
    return Part({"tiles": partial(_serve, address, core.state / "log")})


async def _serve(address: Address, folder: Path) -> None:
    """Imported only where it is wanted: aiohttp is an extra."""
    http.require("[log] http")
    from wayside.log.tile_service import TileServer

    await TileServer(address, folder).run()

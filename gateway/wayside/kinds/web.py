"""The `[web]`: the status site. Needs the extra `web`."""

import asyncio
from functools import partial

from wayside.kinds.core import Core
from wayside.net import http
from wayside.parts.part import Part
from wayside.site import support_bundle
from wayside.site.certificates import PartCertificates
from wayside.web.table import WebTable


def make(settings: WebTable, core: Core) -> Part:
    """SiteFileError: a file of secrets cannot be used."""
    path = core.clients.path(settings.cert_file)
    certificates = PartCertificates("status site", {"server": path} if path else {})
    return Part({settings.title(): partial(_serve, settings, core)}, things=(certificates,))


async def _serve(settings: WebTable, core: Core) -> None:
    """Until cancelled. UsersError or OSError: the users file, the certificate or the address cannot be had.

    Imported only where it is wanted: aiohttp is an extra.
    """
    http.require("[web]")
    from wayside.web.recorder import Recorder
    from wayside.web.server import Server, StatusSite, StatusSiteSettings

    recorder = Recorder(core.site, core.draw, core.image, core.clock, settings.flow)
    loop = asyncio.get_running_loop()

    async def told() -> dict[str, object]:
        return recorder.state()

    def bundle() -> bytes:
        # On another thread; the parts belong to the loop's.
        status = asyncio.run_coroutine_threadsafe(told(), loop).result(5.0)
        return support_bundle.make(core.path, core.state, status)

    files = map(core.clients.path, (settings.users_file, settings.cert_file, settings.key_file))
    site = StatusSite(recorder, bundle, core.reload, core.command)
    server = Server(StatusSiteSettings(*settings.listen, *files), site, core.clock.monotonic)
    await server.run()

"""The status site of a running daemon, put together from its settings. Needs the extra `web`."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from wayside import support_bundle
from wayside.clock import Clock
from wayside.config import SiteFile, Web
from wayside.image import ProcessImage
from wayside.secret_files import Secrets, Use
from wayside.web.recorder import Draw, Recorder
from wayside.web.server import Server, Settings, Site


async def serve_web(
    site: SiteFile,
    path: Path,
    state: Path,
    draw: Draw,
    image: ProcessImage,
    clock: Clock,
    reload: Callable[[], None],
) -> None:
    """Serve until cancelled. UsersError or OSError: the users file, the certificate or the address cannot be had."""
    assert site.web
    recorder = Recorder(site.site.name, draw, image, clock, site.web.flow)
    loop = asyncio.get_running_loop()

    async def told() -> dict[str, object]:
        return recorder.state()

    def bundle() -> bytes:
        # On another thread; the parts belong to the loop's.
        status = asyncio.run_coroutine_threadsafe(told(), loop).result(5.0)
        return support_bundle.make(path, state, status)

    server = Server(_settings(site.web, path), Site(recorder, bundle, reload), clock.monotonic)
    await server.run()


def _settings(web: Web, path: Path) -> Settings:
    secrets = Secrets(path)
    named = [secrets.path(Use(file)) if file else None for file in (web.users_file, web.cert_file, web.key_file)]
    return Settings(*web.listen, *named)

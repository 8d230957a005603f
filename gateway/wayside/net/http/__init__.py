"""The HTTP that Wayside serves: aiohttp, with bounds on everything a client decides.

`connections` bounds how many there are and how long one lives, `stack` what one may send, and `service` is a server for
short answers; the status site, tiles and the witness are made of these. aiohttp is the extra `web`, so `stack` and
`service` are imported only where something is served. Imports `text`; `web`, `log`, `witness`, and where they
are started `kinds`, `daemon` and `cli` import it.
"""

import importlib.util


class MissingExtraError(Exception):
    """A part needs a package that is not installed; the text says which, and how to get it."""


def require(what: str) -> None:
    """MissingExtraError when HTTP cannot be served here. `what`: the part that needs it."""
    if importlib.util.find_spec("aiohttp") is None:
        raise MissingExtraError(f"{what} needs the package aiohttp; install the extra: pip install 'wayside[web]'")

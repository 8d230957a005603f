"""What is shown, logged or handed on tells no secret: one place that takes them out. Imports nothing of the gateway.

Of a URL only scheme, host and port stay: user and password, path, query and fragment can each hold a token. The test
that a text is harmless is on what stays, not on what goes, so that a URL that is misspelt tells nothing either.
"""

import re
from typing import Any

HIDDEN = "..."

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://([^\s\"'`<>\\]*)")
_HOST = re.compile(r"(?:[A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]+)*\.?|\[[0-9A-Fa-f:.]+\])(?::(?:\d{1,5}|PORT))?")
# HOST, PORT and PATH are what our own texts tell people to put something for.
_SERIAL = re.compile(r"/[\w.\-/]+(?:\?[a-z]+=\w{1,8}(?:&[a-z]+=\w{1,8})*)?")  # a port and how its line is set
_END = re.compile(r"[,;:.)]*$")  # of the sentence that the URL stands in
_CREDENTIALS = re.compile(r"[^\s\"'`<>@:/]+:[^\s\"'`<>@]+@")  # name:password@ where no scheme stands before it
_BEARER = re.compile(r"\bBearer\s+\S+")


def redact(text: str) -> str:
    """`text` without the secrets that URLs in it may hold, and without bearer tokens."""
    text = _URL.sub(_shortened, text)
    return _BEARER.sub(f"Bearer {HIDDEN}", _CREDENTIALS.sub(f"{HIDDEN}@", text))


def redact_all(value: Any) -> Any:
    """`value`, of dictionaries, lists and what JSON knows, with each text in it redacted."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact_all(key): redact_all(each) for key, each in value.items()}
    return [redact_all(each) for each in value] if isinstance(value, list | tuple) else value


def _shortened(found: re.Match[str]) -> str:
    scheme, rest = found[1], found[2]
    end = _END.search(rest)
    assert end
    rest, after = rest[: end.start()], end[0]
    if scheme == "rtu" and _SERIAL.fullmatch(rest):
        return f"rtu://{rest}{after}"
    authority, tail = (re.fullmatch(r"([^/?#]*)(.*)", rest) or found).groups()
    host = authority.rpartition("@")[2]
    # A password with a slash in it looks like a path with an @ in it.
    if not _HOST.fullmatch(host) or "@" in tail:
        return f"{scheme}://{HIDDEN}"
    return f"{scheme}://{host}{tail if tail in ('', '/', '/PATH') else f'/{HIDDEN}'}{after}"

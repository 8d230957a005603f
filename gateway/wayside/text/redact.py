"""What is shown, logged or handed on tells no secret: one place that takes them out. Imports nothing of the gateway.

Of a URL only scheme, host and port stay: user and password, path, query and fragment can each hold a token. The test
that a text is harmless is on what stays, not on what goes, so that a URL that is misspelt tells nothing either.

The text may be a stranger's, and as long as he likes: each pattern is tried once for each run of its characters, so the
work is in proportion to the text.
"""

import re
from typing import Any

HIDDEN = "..."
_END = ",;:.)"  # of the sentence that a URL stands in

_URL = re.compile(r"(?<![A-Za-z0-9+.\-])([A-Za-z0-9+.\-]+)://([^\s\"'`<>\\]*)")
_HOST = re.compile(r"(?:[A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]+)*\.?|\[[0-9A-Fa-f:.]+\])(?::(?:\d{1,5}|PORT))?")
# HOST, PORT and PATH are what our own texts tell people to put something for.
_SERIAL = re.compile(r"/[\w.\-/]+(?:\?[a-z]+=\w{1,8}(?:&[a-z]+=\w{1,8})*)?")  # a port and how its line is set
_BEFORE_AT = re.compile(r"(?<![^\s\"'`<>@])([^\s\"'`<>@]+)@")
_CREDENTIALS = re.compile(r"(?<![^:/])[^:/]+:.")  # name:password before an @ that no scheme stands before
_BEARER = re.compile(r"\b(Bearer)\s+\S+", re.IGNORECASE)


def redact(text: str) -> str:
    """`text` without the secrets that URLs in it may hold, and without bearer tokens."""
    # Without one of these none of the patterns is found. So it is with nearly all texts, thousands a second of them.
    if "://" not in text and "@" not in text and "bearer" not in text.lower():
        return text
    text = _URL.sub(_shortened, text)
    return _BEARER.sub(rf"\1 {HIDDEN}", _BEFORE_AT.sub(_without_credentials, text))


def redact_all(value: Any) -> Any:
    """`value`, of dictionaries, lists and what JSON knows, with each text in it redacted."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact_all(key): redact_all(each) for key, each in value.items()}
    return [redact_all(each) for each in value] if isinstance(value, list | tuple) else value


def _without_credentials(found: re.Match[str]) -> str:
    known = _CREDENTIALS.search(found[1])
    return f"{found[1][: known.start()]}{HIDDEN}@" if known else found[0]


def _shortened(found: re.Match[str]) -> str:
    scheme, whole = found[1], found[2]
    rest = whole.rstrip(_END)
    after = whole[len(rest) :]
    if scheme == "rtu" and _SERIAL.fullmatch(rest):
        return f"rtu://{rest}{after}"
    authority, tail = (re.fullmatch(r"([^/?#]*)(.*)", rest) or found).groups()
    host = authority.rpartition("@")[2]
    # A password with a slash in it looks like a path with an @ in it.
    if not _HOST.fullmatch(host) or "@" in tail:
        return f"{scheme}://{HIDDEN}"
    return f"{scheme}://{host}{tail if tail in ('', '/', '/PATH') else f'/{HIDDEN}'}{after}"

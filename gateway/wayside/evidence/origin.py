"""What a log is called: the one form of an origin, "<site>/log/<epoch>", wherever a name is read.

Two spellings of one log would be two logs to a witness and one to a reader, so there is only one: what is not exactly
in form is no origin. Imported by `note`, so nothing here knows of keys.
"""

import re
from dataclasses import dataclass

from wayside.evidence import EvidenceError

MAX_EPOCH = 2**31 - 1
MAX_SITE = 64  # characters

_MARK = "/log/"
_EPOCH = re.compile(r"0|[1-9][0-9]{0,9}")
_SITE = re.compile(r"[a-z0-9][a-z0-9.\-]*(/[a-z0-9][a-z0-9.\-]*)*")


class OriginError(EvidenceError):
    """A text that is not the name of a site's log."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A log: the epoch `epoch` (0 to 2^31-1) of `site`. OriginError when there can be no such log."""

    site: str
    epoch: int

    def __post_init__(self) -> None:
        if not is_site(self.site) or not 0 <= self.epoch <= MAX_EPOCH:
            raise OriginError(f"{f'{self.site}{_MARK}{self.epoch}'[:100]!r} is no name of a log")

    def __str__(self) -> str:
        return f"{self.site}{_MARK}{self.epoch}"


def is_site(text: str) -> bool:
    """Whether a site may be called so: a domain-like name in lower case, perhaps with a path, none of it "log"."""
    return len(text) <= MAX_SITE and bool(_SITE.fullmatch(text)) and "log" not in text.split("/")


def is_epoch(text: str) -> bool:
    """Whether this is the decimal number of an epoch in its one form: ASCII digits, no sign, no leading zeros."""
    return bool(_EPOCH.fullmatch(text)) and int(text) <= MAX_EPOCH


def parse_origin(text: str) -> Origin:
    """The log that is called `text`; OriginError when this is no origin, or not in its one form."""
    site, mark, epoch = text.rpartition(_MARK)
    if not (mark and is_site(site) and is_epoch(epoch)):
        raise OriginError(f"{text[:100]!r} is no name of a log; write SITE/log/EPOCH, such as site-7.example.org/log/0")
    return Origin(site, int(epoch))

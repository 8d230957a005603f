"""What the hostile cases share: a case, the list of all, and a log to begin from.

Each is evidence that somebody wrote who wants to be believed what is not so, with the verdict that it must get. Who
wrote it can be: the *writer* of a file, who has a log and its tree, but no key; the holder of a *node's* key; or
that of the *log's* key, who signs whatever he likes. test_hostile.py runs every case by the command.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from evidence.site_log import DEVICE, KEY, SiteLog
from wayside.evidence.bundle import Bundle, encode_bundle

HOLDS, FAILS, UNREADABLE, FRAUD = 0, 1, 2, 3
BY_KEY = ("--key", str(KEY))
SEQUENCE, SIGNATURES, REVOCATION = (f"{DEVICE} {check}" for check in ("sequence", "signatures", "revocation"))


@dataclass(frozen=True)
class Case:
    """status: what `wayside verify` ends with; check: the finding that says it, with `text` in it.

    words: the command's; policy: written to the file that the word POLICY stands for.
    """

    data: bytes
    status: int
    check: str
    text: str
    words: tuple[str, ...] = BY_KEY
    policy: str = ""


CASES: dict[str, Callable[[], Case]] = {}


def case(name: str) -> Callable[[Callable[[], Case]], Callable[[], Case]]:
    def put(make: Callable[[], Case]) -> Callable[[], Case]:
        assert name not in CASES
        CASES[name] = make
        return make

    return put


def many(name: str, cases: Iterator[tuple[str, Callable[[], Case]]]) -> None:
    for each, make in cases:
        case(f"{name}: {each}")(make)


def good(count: int = 10, log: SiteLog | None = None) -> SiteLog:
    log = log or SiteLog()
    log.add_key()
    log.add_packs(0, count)
    return log


def of(bundle: Bundle, status: int, check: str, text: str, *words: str, policy: str = "") -> Case:
    return Case(encode_bundle(bundle), status, check, text, words or BY_KEY, policy)

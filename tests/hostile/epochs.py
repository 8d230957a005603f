"""What an epoch says of the one before it. The receiver must say the same: test_epochs.py."""

from collections.abc import Callable, Iterator

from evidence.site_log import STREAM, THIEF, SiteLog
from hostile.case import FAILS, HOLDS, SEQUENCE, Case, good, many, of
from wayside.evidence import merkle
from wayside.evidence.bundle import BundleClaim
from wayside.evidence.kinds import DeviceBody, EpochBody
from wayside.evidence.stream import KEYS

BEFORE, OWN = "site.example/log/0", "site.example/log/1"


def root(log: SiteLog) -> bytes:
    return merkle.root_hash(log.size, log.perfect)


def other_history() -> SiteLog:
    log = good(3, SiteLog(BEFORE))
    log.add(STREAM, DeviceBody("back", "", None))
    return log


def follows(*bodies: EpochBody, first: bool = True, origin: str = OWN) -> SiteLog:
    """A log with these epoch entries, at its beginning or behind its packs."""
    log = SiteLog(origin)
    for body in bodies if first else ():
        log.add(KEYS, body)
    good(3, log)
    for body in () if first else bodies:
        log.add(KEYS, body)
    return log


_OLD = good(4, SiteLog(BEFORE))
_BY_THIEF = good(4, SiteLog(BEFORE, THIEF))
_HONEST = EpochBody(BEFORE, 5, root(_OLD), "lost", _OLD.checkpoint)

LOGS: dict[str, tuple[Callable[[], SiteLog], str]] = {
    "no beginning": (follows, "entry 0 does not say how the log before it ended"),
    "another site": (lambda: follows(EpochBody("other.example/log/0", 5, bytes(32), "lost", None)), "cannot follow"),
    "a later epoch": (lambda: follows(EpochBody("site.example/log/7", 0, bytes(32), "lost", None)), "cannot follow"),
    "a second beginning": (lambda: follows(_HONEST, _HONEST), "entry 1 says how the log began, and is not its first"),
    "in the middle": (lambda: follows(_HONEST, first=False), "entry 4 says how the log began, and is not its first"),
    "in epoch 0": (lambda: follows(_HONEST, origin=BEFORE), "the first epoch follows on no log"),
    "a note that is none": (lambda: follows(EpochBody(BEFORE, 5, root(_OLD), "lost", b"junk")), "the note has no"),
    "a note of another size": (
        lambda: follows(EpochBody(BEFORE, 4, root(_OLD), "lost", _OLD.checkpoint)),
        "another end",
    ),
    "a note by a thief": (
        lambda: follows(EpochBody(BEFORE, 5, root(_BY_THIEF), "lost", _BY_THIEF.checkpoint)),
        "is not signed by a key of this log",
    ),
    "a shown note by a thief": (
        lambda: follows(EpochBody(BEFORE, 5, root(_OLD), "lost", _OLD.checkpoint, (_BY_THIEF.checkpoint,))),
        "is not signed by a key of this log",
    ),
}
HONEST: dict[str, tuple[Callable[[], SiteLog], str]] = {
    "with its note": (lambda: follows(_HONEST), "goes on from site.example/log/0 with 5 entries: lost"),
    "of which nothing is signed": (
        lambda: follows(EpochBody(BEFORE, 5, root(_OLD), "lost", None)),
        "nobody signed that size and root",
    ),
    "that says what somebody else has signed": (
        lambda: follows(EpochBody(BEFORE, 5, root(_OLD), "lost", _OLD.checkpoint, (other_history().checkpoint,))),
        "entries are lost, or two had the key: witnesses also showed 5 of site.example/log/0",
    ),
}


def _cases() -> Iterator[tuple[str, Callable[[], Case]]]:
    for name, (make, text) in LOGS.items():
        yield name, lambda make=make, text=text: of(make().bundle(claim=BundleClaim()), FAILS, "epoch", text)
    for name, (make, text) in HONEST.items():

        def honest(make: Callable[[], SiteLog] = make, text: str = text) -> Case:
            log = make()
            log.make_pack(3)
            log.add_gap(1, 3, 3)  # a good and complete file is no hostile case
            return of(log.bundle(claim=BundleClaim()), HOLDS, "epoch", text)

        yield name, honest

    def polled() -> Case:
        """The gateway begins its own chains anew: nothing of the meter shows that it had packs before."""
        log = SiteLog(OWN)
        log.add(KEYS, _HONEST)
        log.add_key(key=THIEF, role="gateway")
        log.add_pack(log.make_pack(0, 7, THIEF), attested="gateway")
        return of(log.bundle(), HOLDS, SEQUENCE, f"OPEN at its beginning: what it had in epochs before {OWN}")

    yield "of a polled meter, whose packs are in the one before", polled


many("an epoch", _cases())

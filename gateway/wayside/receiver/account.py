"""What arrived, what is missing, what came twice, what did not verify: the receiver's judgement, kept as it goes.

It is the verifier's (wayside.evidence.judge), on what came instead of on a file: of the same entries both say the same,
in whatever order the receiver got them. Each epoch of the site is a log of its own; what one of them says of the one
before, and keys that ended in an earlier one, are judged here.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from wayside.evidence import EvidenceError
from wayside.evidence.batch import ForkError
from wayside.evidence.beginning import log_keys_before, misplaced
from wayside.evidence.certificate import Trust
from wayside.evidence.chain import Chain, Place
from wayside.evidence.epoch import check_beginning, opener
from wayside.evidence.fraud_batches import BatchFraud
from wayside.evidence.intervals import IntervalSet
from wayside.evidence.judge import Completeness, DeviceAccount
from wayside.evidence.kinds import EpochBody
from wayside.evidence.note import NoteKey
from wayside.evidence.origin import Origin, parse_origin
from wayside.text.printable import printable
from wayside.values.reading import Pack

from .keys import DeviceKeys
from .log_account import LogAccount

_MAX_REASONS = 100
_MAX_LOGS = 1024


@dataclass(frozen=True)
class VerifiedPack:
    """One pack out of a verified batch. `signed`: by a key that may sign for its device, as far as is known then."""

    pack: Pack
    attested: str
    index: int
    signed: bool


class _Ended(NamedTuple):
    """Where a key was revoked: the earliest epoch that says so, and its entry."""

    epoch: int
    place: int
    origin: str


class SiteAccount:
    """Feed it every message; ask it at any time."""

    def __init__(self, key: NoteKey, keys: DeviceKeys, on_report: Callable[[VerifiedPack], None] | None = None):
        """`key`: the site's log key, under the name of any of its epochs; `keys`: those of its devices."""
        self.logs: dict[str, LogAccount] = {}
        self.not_verified: Counter[str] = Counter()
        self._key = key
        self._keys = keys
        self._on_report = on_report

    def take(self, origin: str, message: bytes) -> None:
        """Judge one batch of the log `origin` as it came from the broker. Never raises for what is in it."""
        try:
            log = self.logs.get(origin) or self._log(origin)
            seen = log.take(message)
        except ForkError:
            return  # the log's account names it
        except EvidenceError as error:
            self.refuse(str(error))
            return
        self.logs[origin] = log
        if self._on_report:
            for each in seen:
                signed = each.kid is not None and not self._ended_before(log.epoch, each.kid)
                self._on_report(VerifiedPack(each.pack, each.attested, each.place, signed))

    def _log(self, origin: str) -> LogAccount:
        # One key signs all epochs; each is a log of its own.
        if parse_origin(origin).site != parse_origin(self._key.name).site:
            raise EvidenceError(f"{origin} is no log of the site whose key was given")
        if len(self.logs) >= _MAX_LOGS:
            raise EvidenceError(f"not judged: a log of more than {_MAX_LOGS} epochs")
        return LogAccount(replace(self._key, name=origin), self._keys)

    def refuse(self, reason: str) -> None:
        """Count something that came and is no batch, or is none that counts."""
        # Whoever may publish could fill the memory with reasons of his own making.
        reason = printable(reason)
        known = reason in self.not_verified or len(self.not_verified) < _MAX_REASONS
        self.not_verified[reason if known else "other reasons"] += 1

    # --- figures ---

    @property
    def batches(self) -> int:
        return sum(log.batches for log in self.logs.values())

    @property
    def entries(self) -> int:
        """Entries that came, each counted once."""
        return sum(log.indices.count(0, log.indices.end) for log in self.logs.values())

    @property
    def redelivered(self) -> int:
        """Entries that came again, by the way that messages take."""
        return sum(log.redelivered for log in self.logs.values())

    @property
    def packs(self) -> int:
        """Packs that count: signed by a key that could sign for its device when they were logged."""
        counting = sum(sum(device.attested.values()) for _, device in self._devices())
        return counting - sum(packs for _, _, packs, _ in self._by_ended()) - self._in_several_epochs()

    @property
    def unknown(self) -> int:
        """Packs by keys of which not all is known here: not all that the log said of keys before them has come."""
        return sum(sum(stretch.by_unknown.values()) for log in self.logs.values() for stretch in log.stretches())

    @property
    def duplicates(self) -> int:
        """Packs that a log, or a later epoch, holds once more. A batch that comes twice is none: see `redelivered`."""
        return sum(device.repeated for _, device in self._devices()) + self._in_several_epochs()

    @property
    def devices(self) -> set[str]:
        unknown = {name for log in self.logs.values() for stretch in log.stretches() for name in stretch.by_unknown}
        return {device.name for _, device in self._devices()} | unknown

    def refused(self) -> int:
        """Batches, packs and entries that do not verify."""
        packs = sum(len(device.problems) + len(device.revoked) for _, device in self._devices())
        entries = sum(len(each.problems) for log in self.logs.values() for each in log.stretches())
        frauds = sum(len(log.frauds) for log in self.logs.values())
        return sum(self.not_verified.values()) + packs + entries + frauds

    # --- judgement ---

    def outstanding(self) -> list[tuple[str, int, int]]:
        """(origin, first, end) of entries that have not come, after the first that did.

        A checkpoint covers them, or the next epoch says that the log had them.
        """
        announced: dict[str, int] = {}
        for _, _, epoch in self._epochs():  # a later one may name less: a card that was restored had less
            announced[epoch.before] = max(epoch.size, announced.get(epoch.before, 0))
        found = []
        for origin, log in self.logs.items():
            end = max(log.size, announced.pop(origin, 0))
            found += [(origin, *hole) for hole in [*log.indices.holes(), (log.indices.end, end)] if hole[0] < hole[1]]
        joined = min((log.epoch for log in self.logs.values()), default=0)
        for origin, size in announced.items():
            if size and self._is_ours(origin) and parse_origin(origin).epoch > joined:
                found.append((origin, 0, size))
        return found

    def gaps(self) -> list[str]:
        """What is missing and not named by the log, one line each."""
        found = [f"{origin}: entries {first} to {end - 1}" for origin, first, end in self.outstanding()]
        for where, device, completeness in self._completeness():
            found += [f"{where}{device.name}: {each}" for each in completeness.missing]
        return found

    def named_losses(self) -> list[str]:
        """What is missing, erased or was given up, and named by the log: one line each."""
        return [
            f"{where}{device.name}: {each}"
            for where, device, completeness in self._completeness()
            for each in completeness.named
        ]

    def problems(self) -> list[str]:
        """Why the verdict is not good, one line each; empty when everything holds."""
        entries = [f"{self._where(log)}{each}" for log in self.logs.values() for each in log.problems()]
        packs = [
            f"{self._where(log)}{device.name}: {each}"
            for log, device in self._devices()
            for each in (*device.problems, *device.revoked)
        ]
        ended = [
            f"{self._where(log)}{name}: {packs} packs do not count: key {kid.hex()} was revoked by entry "
            f"{self._ended()[kid].place} of {self._ended()[kid].origin}"
            for log, name, packs, kid in self._by_ended()
        ]
        epochs = [*self._wrong_epochs(), *self._with_other_content()]
        found = [f"FRAUD: {log.origin}: {each}" for log in self.logs.values() for each in log.frauds]
        found += [f"{count} not verified: {reason}" for reason, count in self.not_verified.items()]
        return found + entries + packs + ended + epochs + [f"missing: {gap}" for gap in self.gaps()]

    def proofs(self) -> list[BatchFraud]:
        """What proves to anybody that the log's key signed what cannot be; at most one for each log."""
        list(self._wrong_epochs())
        return [log.proof for log in self.logs.values() if log.proof]

    def _devices(self) -> Iterator[tuple[LogAccount, DeviceAccount]]:
        for log in self.logs.values():
            for stretch in log.stretches():
                yield from ((log, device) for _, device in sorted(stretch.judge.devices.items()))

    def _completeness(self) -> Iterator[tuple[str, DeviceAccount, Completeness]]:
        for log in self.logs.values():
            for stretch in log.stretches():
                for name, device in sorted(stretch.judge.devices.items()):
                    yield self._where(log), device, device.completeness(stretch.head(name))

    def _where(self, log: LogAccount) -> str:
        """Which log, where there are several."""
        return f"log/{log.epoch}: " if len(self.logs) > 1 else ""

    # --- epochs ---

    def _epochs(self) -> Iterator[tuple[LogAccount, int, EpochBody]]:
        for log in sorted(self.logs.values(), key=lambda log: log.epoch):
            yield from ((log, index, epoch) for index, epoch in log.epochs())

    def _is_ours(self, origin: str) -> bool:
        try:
            return parse_origin(origin).site == parse_origin(self._key.name).site
        except EvidenceError:
            return False

    def _wrong_epochs(self) -> Iterator[str]:
        told: dict[str, list[tuple[int, EpochBody]]] = {}
        for log, index, epoch in self._epochs():
            told.setdefault(log.origin, []).append((index, epoch))
        for log in self.logs.values():
            own, found = parse_origin(log.origin), told.get(log.origin, [])
            yield from (f"log/{log.epoch}: {each}" for each in misplaced(own, found, 0 in log.indices))
            for _, epoch in (each for each in found if each[0] == 0):
                yield from self._wrong_beginning(log, own, epoch)

    def _wrong_beginning(self, log: LogAccount, own: Origin, epoch: EpochBody) -> Iterator[str]:
        name = f"log/{log.epoch}: entry 0"
        keys = log_keys_before(own.site, Trust.in_key(self._key), log.keyring)
        try:
            check_beginning(epoch, own, opener(keys))
        except EvidenceError as error:
            yield f"{name} is no beginning of this log: it follows on {epoch.before}, and {error}"
            return
        before = self.logs.get(epoch.before)
        if before is None:
            return
        came = max(before.size, before.indices.end)
        if came > epoch.size:
            yield f"{name} says that {epoch.before} ended with {epoch.size} entries, but {came} were signed"
        if not before.is_known_by(epoch.size, epoch.root, epoch.note):
            # Only where it names a signed checkpoint has the log's key said two things.
            lie = "FRAUD: " if epoch.note else ""
            yield f"{lie}{name} says what {epoch.before} was, and that is not what came of it"

    def _chains(self) -> Iterator[list[tuple[LogAccount, str, Chain]]]:
        """The packs of each device by each key, where more than one epoch has some that count."""
        ended = self._ended()
        found: dict[tuple[str, bytes], list[tuple[LogAccount, str, Chain]]] = {}
        for log, device in sorted(self._devices(), key=lambda each: each[0].epoch):
            for kid in device.keys:
                if kid not in ended or ended[kid].epoch >= log.epoch:
                    found.setdefault((device.name, kid), []).append((log, device.name, device.chains[kid]))
        return (each for each in found.values() if len(each) > 1)

    def _in_several_epochs(self) -> int:
        """How many packs later epochs hold that are in an earlier one: a node that missed the answer sends again."""
        again = 0
        for chains in self._chains():
            known: dict[int, IntervalSet] = {}
            for boot, first, last in (part for _, _, chain in chains for part in chain.parts()):
                again += last + 1 - first - known.setdefault(boot, IntervalSet()).add(first, last + 1)
        return again

    def _with_other_content(self) -> Iterator[str]:
        for chains in self._chains():
            known: dict[Place, bytes] = {}
            for log, name, chain in chains:
                found = [place for place, digest in chain.contents() if known.setdefault(place, digest) != digest]
                if found:
                    boot, sequence = min(found)
                    what = "is a pack" if len(found) == 1 else f"and {len(found) - 1} more are packs"
                    yield f"log/{log.epoch}: {name}: {boot}/{sequence} {what} of an earlier epoch with other content"

    def _ended(self) -> dict[bytes, _Ended]:
        found: dict[bytes, _Ended] = {}
        for log in self.logs.values():
            for kid, index in log.revoked.items():
                ended = _Ended(log.epoch, index, log.origin)
                found[kid] = min(ended, found.get(kid, ended))
        return found

    def _ended_before(self, epoch: int, kid: bytes) -> bool:
        return any(kid in log.revoked for log in self.logs.values() if log.epoch < epoch)

    def _by_ended(self) -> Iterator[tuple[LogAccount, str, int, bytes]]:
        """(log, device, packs, key id) of packs whose key an earlier epoch had revoked."""
        ended = self._ended()
        for log, device in self._devices():
            for kid in device.keys:
                if kid in ended and ended[kid].epoch < log.epoch:
                    yield log, device.name, device.chains[kid].packs, kid



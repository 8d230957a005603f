"""Where each chain of packs stands, and the entries that a pack becomes."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable

from wayside_wire.pack import BAD

from wayside.evidence import kinds
from wayside.evidence.kinds import Body
from wayside.evidence.stream import device_stream
from wayside.intake.commit import Committer
from wayside.intake.order import Gap, Head
from wayside.log import Append, ChainName, GapPlace, PackPlace
from wayside.values.reading import Pack

_RECENT = 4096  # packs whose hash is remembered, to know a repetition without asking the disk

Logged = tuple[bytes, "asyncio.Future[None]"]
"""The hash of a pack, and when it is durable."""


class Chains:
    """Heads run ahead of the disk while a commit is under way. After one that failed they are read back from the log,
    so that nothing chains to a pack that was never stored.

    `counters`: gaps, packs, readings and bad readings that were handed to the log.
    """

    def __init__(
        self,
        committer: Committer,
        encode: Callable[[Body], bytes],
        counters: Counter[str],
        after_failure: Callable[[], None],
    ):
        """after_failure: called when the heads were read back; what was under way then is not in the log."""
        self._committer = committer
        self._encode = encode
        self._counters = counters
        self._after_failure = after_failure
        self._heads: dict[ChainName, Head] = {}
        self._failures = -1  # the heads are not read yet
        self._recent: OrderedDict[tuple[ChainName, int, int], Logged] = OrderedDict()

    def head(self, chain: ChainName) -> Head | None:
        """The newest pack of a chain; as of the last `catch_up`."""
        return self._heads.get(chain)

    def recent(self, chain: ChainName, boot: int, sequence: int) -> Logged | tuple[None, None]:
        """A pack that was logged not long ago."""
        return self._recent.get((chain, boot, sequence), (None, None))

    @property
    def is_behind(self) -> bool:
        """Whether a commit has failed since the heads were read."""
        return self._failures != self._committer.failures

    async def catch_up(self) -> None:
        """At the start and after a failed commit, take the heads that the log really holds. LogError."""
        while self.is_behind:
            failures = self._committer.failures
            places = await self._committer.call(lambda log: log.chain_heads())
            if self._failures == failures:
                return  # somebody who asked at the same time was answered first, and heads have moved on since
            self._heads = {chain: Head(*place) for chain, place in places.items()}
            self._recent.clear()
            self._failures = failures
            self._after_failure()

    def gap(self, chain: ChainName, gap: Gap) -> Append:
        """The entry that names what is missing of a chain."""
        body = kinds.GapBody(chain.kid, gap.boot, gap.first, gap.last, gap.cause)
        lost = GapPlace(chain, gap.boot, gap.first, gap.last)
        return Append(device_stream(chain.device), self._encode(body), gap=lost)

    def log(
        self,
        pack: Pack,
        chain: ChainName,
        raw: bytes,
        digest: bytes,
        attested: str,
        gaps: Iterable[Gap],
        head: bool = True,
        notes: dict[str, bytes] | None = None,
    ) -> "asyncio.Future[None]":
        """Append a pack behind the gaps that it shows; head: it is the newest of its chain now."""
        group = [self.gap(chain, gap) for gap in gaps]
        self._counters["gaps"] += len(group)
        place = PackPlace(chain, pack.boot, pack.sequence, digest, head)
        group.append(
            Append(device_stream(pack.device), self._encode(kinds.PackBody(attested, raw)), place, notes or {})
        )
        if head:
            self._heads[chain] = Head(pack.boot, pack.sequence, digest)
        durable = self._committer.commit(group)
        self._recent[chain, pack.boot, pack.sequence] = (digest, durable)
        if len(self._recent) > _RECENT:
            self._recent.popitem(last=False)
        self._counters["packs"] += 1
        self._counters["readings"] += len(pack.readings)
        self._counters["bad readings"] += sum(reading.quality == BAD for reading in pack.readings)
        return durable

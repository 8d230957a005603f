"""The log and its evidence by size: bytes on disk, appends, proofs, verification, a witness after an outage.

One device, one pack a minute, ten readings a pack. Sizes in packs: `bench_log.py 10000 100000` (default 10,000, 100,000
and a year); a million takes some minutes.
"""

import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path

from wayside.evidence import kinds, merkle
from wayside.evidence.bundle import BundleClaim, encode_bundle, read_bundle, write_bundle
from wayside.evidence.certificate import Trust
from wayside.evidence.entry import encode_unplaced
from wayside.evidence.finding import NO_DEMANDS
from wayside.evidence.kinds import DEVICE_ATTESTED, REGISTERED, KeyBody
from wayside.evidence.note import COSIGNATURE, ED25519, NoteKey
from wayside.evidence.stream import KEYS, device_stream
from wayside.evidence.verify import verify_bundle
from wayside.log import Append, ChainName, Log, PackPlace
from wayside.trust.keys import SoftwareKey
from wayside.witness.client import WitnessClient
from wayside.witness.witness import Witness
from wayside_wire.pack import NO_PREVIOUS, SYNCED, Pack, Reading, pack_hash, sign_pack

YEAR = 365 * 1440
GROUP = 500
START_MS = 1_790_000_000_000
SITE = "bench.example"
LOG_KEY, NODE = SoftwareKey(bytes(32)), SoftwareKey(b"n" * 32)
STREAM = device_stream("meter")
KEY = NoteKey(f"{SITE}/log/0", ED25519, LOG_KEY.public)


def appends(count: int) -> list[Append]:
    """A registered key, then `count` chained packs."""
    body = KeyBody(NODE.public, kinds.NODE, ("meter",), REGISTERED)
    made = [Append(KEYS, encode_unplaced(START_MS, SYNCED, body))]
    chain = ChainName("meter", NODE.kid)
    previous = NO_PREVIOUS
    for sequence in range(count):
        now = START_MS + 60_000 * sequence
        readings = tuple(Reading(f"channel_{i}", "W", 100_000 + sequence + i, -1, 0, "", now) for i in range(10))
        raw = sign_pack(Pack("meter", 1, sequence, SYNCED, previous, readings), NODE.kid, NODE.sign)
        previous = pack_hash(raw)
        entry = encode_unplaced(now, SYNCED, kinds.PackBody(DEVICE_ATTESTED, raw))
        made.append(Append(STREAM, entry, PackPlace(chain, 1, sequence, previous)))
    return made


def measure(count: int, folder: Path) -> None:
    entries = appends(count)
    log = Log(folder / "log", SITE, LOG_KEY.public, LOG_KEY.sign, lambda: (START_MS, SYNCED))
    trips = []
    witness_key = NoteKey("w.example/1", COSIGNATURE, NODE.public)
    witness = Witness(folder / "witness", witness_key, NODE.sign, [KEY], lambda: START_MS // 1000)

    def ask(_url: str, body: bytes | None) -> tuple[int, bytes]:
        assert body is not None, "an epoch 0 is shown without a question"
        trips.append(len(body))
        answer = witness.add_checkpoint(body)
        return answer.status, answer.body.encode()

    client = WitnessClient("http://witness", witness_key, ask)
    outage = max(0, len(entries) - 30 * 1440)  # the witness is away for the last 30 days, or for all but the start
    outage -= outage % GROUP
    appending = 0.0
    for first in range(0, len(entries), GROUP):
        begin = time.perf_counter()
        log.append_entries(entries[first : first + GROUP])
        appending += time.perf_counter() - begin
        if first == outage:
            client.cosign(log)
    trips.clear()
    client.cosign(log)
    middle = len(entries) // 2
    day = (middle, min(len(entries), middle + 1440))
    begin = time.perf_counter()
    proof = log.subset_proof([day])
    proving_ms = 1000 * (time.perf_counter() - begin)
    leaves = [merkle.leaf_hash(b"") for _ in range(*day)]
    merkle.root_from_subset(log.size, [day], iter(leaves), proof)
    since = START_MS + 60_000 * middle
    begin = time.perf_counter()
    numbers = log.numbers_between(STREAM, since, since + 86_400_000) or (0, 1)
    bundle = write_bundle(folder / "day", log, BundleClaim(STREAM, *numbers))
    bundling_s = time.perf_counter() - begin
    write_bundle(folder / "all", log)
    begin = time.perf_counter()
    holds, _ = verify_bundle(read_bundle(folder / "all"), Trust.in_key(KEY), NO_DEMANDS, os.cpu_count() or 1)
    verifying = time.perf_counter() - begin
    log.close()
    on_disk = sum(each.stat().st_size for each in (folder / "log").iterdir())
    print(
        f"{len(entries):>9} {on_disk / 2**20:>8.1f} {on_disk / len(entries):>7.0f} {len(entries) / appending:>10.0f}"
        f" {len(proof):>4} = {32 * len(proof):>4} B {proving_ms:>6.1f} {len(encode_bundle(bundle)) / 2**10:>7.0f}"
        f" {bundling_s:>8.2f} {verifying:>8.1f} {'yes' if holds else 'NO':>5} {len(trips):>6}",
        flush=True,
    )


def main() -> int:
    sizes = [int(each) for each in sys.argv[1:]] or [10_000, 100_000, YEAR]
    print(f"{platform.machine()}, {platform.system()} {platform.release()}, Python {platform.python_version()}")
    print(f"Groups of {GROUP}; a day is 1,440 packs; the witness was away for the last 30 days.")
    print("  entries      MiB B/entry  appends/s  a day's proof     ms day KiB    day s verify s holds  trips")
    for size in sizes:
        folder = Path(tempfile.mkdtemp(prefix="wayside-bench-"))
        try:
            measure(size, folder)
        finally:
            shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())

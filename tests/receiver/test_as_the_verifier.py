"""Of the same entries the receiver says what the verifier says, in whatever order it gets them.

Logs are made of what honest and dishonest gateways write, cut into batches under checkpoints of any size, shuffled,
some sent again. The whole log as a file is given to the verifier. Both have to come to the same, line by line.
"""

from collections.abc import Callable
from itertools import pairwise

from evidence.site_log import DEVICE, KEY, LOG, NODE, ORIGIN, START_MS, THIEF, SiteLog
from hunts import examples
from hypothesis import event, given, settings
from hypothesis import strategies as st
from receiver.evidence import account_of, batch
from wayside.evidence.bundle import BundleClaim
from wayside.evidence.certificate import Trust
from wayside.evidence.entry import encode_unplaced
from wayside.evidence.finding import Finding, proves_fraud
from wayside.evidence.fraud_batches import prove_batch_fraud
from wayside.evidence.kinds import GATEWAY_ATTESTED, ConfigurationBody, GapBody, OverloadBody, RetentionBody
from wayside.evidence.kinds import DeviceBody as DeviceEvent
from wayside.evidence.stream import device_stream
from wayside.evidence.verify import verify_bundle
from wayside.receiver.account import SiteAccount
from wayside.receiver.keys import DeviceKeys
from wayside.receiver.view import Verdict, verdict
from wayside.trust.keys import SoftwareKey
from wayside_wire.pack import NO_PREVIOUS

GATEWAY = SoftwareKey(b"g" * 32)
SECOND = "meter-2"
_EXAMPLES = 400


class Writer:
    """Writes entries of every kind, and knows where each device is."""

    def __init__(self) -> None:
        self.log = SiteLog()
        self.log.add_key()
        self.boots: dict[tuple[str, bytes], list[int]] = {}
        self.last = b""

    def make(self, key: SoftwareKey = NODE, device: str = DEVICE) -> bytes:
        place = self.boots.setdefault((device, key.kid), [1, 0])
        raw = self.log.make_pack(place[1], place[0], key, device)
        place[1] += 1
        return raw

    def pack(self, key: SoftwareKey = NODE, device: str = DEVICE, attested: str = "device") -> None:
        self.last = self.make(key, device)
        self.log.add_pack(self.last, device, attested)

    def lose(self, named: bool) -> None:
        boot, sequence = self.boots.get((DEVICE, NODE.kid), [1, 0])
        self.make()
        if named:
            self.log.add(device_stream(DEVICE), GapBody(NODE.kid, boot, sequence, sequence, "lost"))

    def restart(self, named: bool) -> None:
        place = self.boots.setdefault((DEVICE, NODE.kid), [1, 0])
        if named:
            self.log.add(device_stream(DEVICE), GapBody(NODE.kid, place[0], place[1], None, "restart"))
        place[:] = [place[0] + 1, 0]

    def again(self, value: int | None) -> None:
        """The last pack once more, or another one in its place."""
        boot, sequence = self.boots.get((DEVICE, NODE.kid), [1, 0])
        if value is not None and sequence:
            self.log.previous[DEVICE, NODE.kid] = NO_PREVIOUS
            self.last = self.log.make_pack(sequence - 1, boot, value=value)
        if self.last:
            self.log.add_pack(self.last)

    def forged(self) -> None:
        raw = bytearray(self.make())
        raw[-1] ^= 1
        self.log.add_pack(bytes(raw))

    def number(self, number: int) -> None:
        self.log.add_raw("gateway", encode_unplaced(START_MS, 2, ConfigurationBody(bytes(32))), number)


Act = Callable[[Writer], object]
HONEST: dict[str, Act] = {
    "pack": lambda w: w.pack(),
    "packs": lambda w: [w.pack() for _ in range(4)],
    "pack of another": lambda w: w.pack(device=SECOND),
    "pack of the gateway": lambda w: w.pack(GATEWAY, attested=GATEWAY_ATTESTED),
    "key for both": lambda w: w.log.add_key(devices=[DEVICE, SECOND]),
    "key of the gateway": lambda w: w.log.add_key(key=GATEWAY, role="gateway"),
    "named loss": lambda w: w.lose(True),
    "restart": lambda w: w.restart(False),
    "restart after a loss": lambda w: w.restart(True),
    "the same again": lambda w: w.again(None),
    "configuration": lambda w: w.log.add("gateway", ConfigurationBody(bytes(32))),
    "overload": lambda w: w.log.add(device_stream(DEVICE), OverloadBody(9, "discard-oldest")),
    "erased": lambda w: w.log.add(device_stream(DEVICE), RetentionBody(0, 1, "age")),
    "event": lambda w: w.log.add(device_stream(SECOND), DeviceEvent("unreachable", "", None, 3)),
}
DISHONEST: dict[str, Act] = {
    "silent loss": lambda w: w.lose(False),
    "another in its place": lambda w: w.again(7),
    "forged": lambda w: w.forged(),
    "by nobody's key": lambda w: w.pack(THIEF),
    "thief registered": lambda w: w.log.add_key(key=THIEF),
    "as the gateway's": lambda w: w.pack(attested=GATEWAY_ATTESTED),
    "key without the device": lambda w: w.log.add_key(devices=[SECOND]),
    "revoked": lambda w: w.log.add_key("revoked"),
    "in another role": lambda w: w.log.add_key(role="gateway"),
    "log key revoked": lambda w: w.log.add_key("revoked", LOG, [], "log"),
    "log key": lambda w: w.log.add_key("registered", LOG, [], "log"),
    "another's stream": lambda w: w.log.add_pack(w.make(), SECOND),
    "a wrong number": lambda w: w.number(3),
}
RUIN: dict[str, Act] = {"out of form": lambda w: w.log.add_bytes(b"\xa0", "gateway", 0)}
ACTS = {**HONEST, **DISHONEST, **RUIN}


@st.composite
def logs(draw: st.DrawFn) -> tuple[SiteLog, bool]:
    """(a log, whether all of its entries are in form)."""
    acts = draw(st.sampled_from([HONEST, HONEST, {**HONEST, **DISHONEST}, ACTS]))
    writer = Writer()
    names = draw(st.lists(st.sampled_from(sorted(acts)), min_size=1, max_size=14))
    for name in names:
        acts[name](writer)
    return writer.log, not set(names) & set(RUIN)


@st.composite
def deliveries(draw: st.DrawFn, size: int) -> list[tuple[int, int, int]]:
    """The log in batches (first, end, size of the checkpoint), each entry at least once, in whatever order."""
    number = st.integers(1, size - 1) if size > 1 else st.nothing()
    cuts = sorted({0, size, *(draw(st.lists(number, max_size=6)) if size > 1 else [])})
    ranges = list(pairwise(cuts))
    more = st.tuples(st.integers(0, size - 1), st.integers(1, 9)).map(lambda pair: (pair[0], min(size, sum(pair))))
    ranges += draw(st.lists(st.sampled_from(ranges) | more, max_size=4))
    sent = [(first, end, draw(st.integers(end, size))) for first, end in ranges]
    return draw(st.permutations([*sent, (size - 1, size, size)]))


def named_by_the_verifier(findings: list[Finding]) -> set[str]:
    named = set()
    for each in findings:
        if each.check.startswith("entry "):
            named.add(f"{each.check}: {each.text}")
        for problem in each.facts.get("problems", []):
            named.add(f"{each.device}: {problem}" if each.device else problem)
        named |= {f"{each.device}: {problem}" for problem in each.facts.get("refused", [])} if each.device else set()
        named |= {f"missing: {each.device}: {problem}" for problem in each.facts.get("missing", [])}
    return named


def named_by(account: SiteAccount) -> set[str]:
    return {each for each in account.problems() if not each.startswith("FRAUD: ")}


@settings(max_examples=examples(_EXAMPLES), deadline=None)
@given(st.data())
def test_the_receiver_says_what_the_verifier_says_in_whatever_order(data: st.DataObject) -> None:
    log, in_form = data.draw(logs())
    first, second = (data.draw(deliveries(log.size)) for _ in range(2))
    holds, findings = verify_bundle(log.bundle(claim=BundleClaim()), Trust.in_key(KEY))
    one, other = account_of(log, *first), account_of(log, *second)
    event("holds" if holds else "does not hold")
    for account in (one, other):
        assert (verdict(account) is Verdict.GOOD) == holds, (account.problems(), findings)
        assert (verdict(account) is Verdict.FRAUD) == proves_fraud(findings)
        assert account.unknown == 0 or not in_form
        if in_form:
            assert named_by(account) == named_by_the_verifier(findings)
    assert set(one.problems()) == set(other.problems())
    assert sorted(one.named_losses()) == sorted(other.named_losses())


@settings(max_examples=examples(150), deadline=None)
@given(st.data())
def test_a_checkpoint_with_wrong_heads_is_fraud_in_whatever_order_it_comes(data: st.DataObject) -> None:
    """Which the verifier does not see in a file under another checkpoint."""
    writer = Writer()
    for name in data.draw(st.lists(st.sampled_from(sorted(HONEST)), min_size=2, max_size=10)):
        HONEST[name](writer)
    log = writer.log
    parts = data.draw(deliveries(log.size))
    lied = data.draw(st.sampled_from(sorted({size for _, _, size in parts})))
    heads = log.heads(lied)
    heads.count_entry(data.draw(st.sampled_from([head.stream for head in heads])), lied)
    account = SiteAccount(KEY, DeviceKeys())
    for first, end, size in parts:
        account.take(ORIGIN, batch(log, first, end, size, heads if size == lied else None))
    assert verdict(account) is Verdict.FRAUD
    for fraud in account.proofs():
        assert prove_batch_fraud(fraud, KEY)[1]


def test_each_act_of_a_dishonest_log_is_seen() -> None:
    """Else the test above would try nothing."""
    seen = set()
    for name, act in {**DISHONEST, **RUIN}.items():
        writer = Writer()
        writer.pack()
        act(writer)
        writer.pack()
        if verdict(account_of(writer.log)) in (Verdict.WRONG, Verdict.FRAUD):
            seen.add(name)
    assert seen == set({**DISHONEST, **RUIN}) - {"thief registered", "log key"}


def test_each_act_of_an_honest_log_is_none() -> None:
    for name, act in HONEST.items():
        writer = Writer()
        HONEST["key for both"](writer)
        HONEST["key of the gateway"](writer)
        writer.pack()
        act(writer)
        writer.pack()
        assert verdict(account_of(writer.log)) is Verdict.GOOD, name

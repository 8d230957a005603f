"""docs/log-format.md describes what is written: its CDDL takes every entry, batch and bundle that the code makes."""

import contextlib
import re
from pathlib import Path
from typing import Any

import pycddl
import pytest
from evidence.site_log import DEVICE, SiteLog
from hypothesis import given
from hypothesis import strategies as st
from wayside.evidence import entry
from wayside.evidence.batch import encode_batch
from wayside.evidence.bundle import Claim, encode_bundle
from wayside_wire import cbor

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "log-format.md").read_text()
RULES = "\n".join(re.findall(r"```cddl\n(.*?)```", TEXT, re.DOTALL))


def schema(rule: str) -> pycddl.Schema:
    return pycddl.Schema(f"start = {rule}\n{RULES}")


BODIES: dict[str, dict[int, Any]] = {
    "pack": entry.pack_body(DEVICE, entry.DEVICE_ATTESTED, b"raw"),
    "gap": entry.gap_body(DEVICE, 1, 2, None, "lost"),
    "command": entry.command_body("node-1", "operator", "reboot", "done"),
    "decision": entry.decision_body("junction-7", "plan 3", "detector 12 is stuck"),
    "key": entry.key_body(bytes(32), "node", [DEVICE], "registered"),
    "configuration": entry.configuration_body(bytes(32)),
    "epoch": entry.epoch_body("site.example/log/0", 7, bytes(32), "lost", b"note"),
    "clock": entry.clock_body(-86_400_000),
    "overload": entry.overload_body(DEVICE, 3, "discard-oldest"),
    "retention": entry.retention_body(DEVICE, 0, 100, "age"),
    "device": entry.device_body(DEVICE, "unreachable", "no answer", None),
}


@pytest.mark.parametrize("kind", BODIES)
def test_every_body_is_as_described_and_comes_back(kind: str):
    body = BODIES[kind]
    schema(f"{kind}-body").validate_cbor(cbor.encode(body))
    number = entry.Kind[kind.upper()]
    assert f"| {int(number)} | {kind} |" in TEXT
    data = entry.encode_entry(number, 1_790_000_000_000, 2, body)
    schema("entry").validate_cbor(data)
    assert entry.decode_entry(data) == entry.Entry(number, 1_790_000_000_000, 2, body)


@pytest.mark.parametrize("kind", BODIES)
def test_a_body_without_one_of_its_fields_is_refused(kind: str):
    for label in BODIES[kind]:
        body = {each: value for each, value in BODIES[kind].items() if each != label}
        with pytest.raises(pycddl.ValidationError):
            schema(f"{kind}-body").validate_cbor(cbor.encode(body))
        with pytest.raises(entry.EvidenceError, match=f"field {label}"):
            entry.decode_entry(entry.encode_entry(entry.Kind[kind.upper()], 0, 2, body))


WHOLE_KEY = entry.key_body(
    bytes(32),
    "node",
    [DEVICE],
    "revoked",
    assurance=3,
    holder="node-1",
    reason="lost",
    proof=b"proof",
    certificates=[b"certificate"],
    profiles={DEVICE: "eastron-sdm630"},
)


@pytest.mark.parametrize(
    "body",
    [
        WHOLE_KEY,
        entry.command_body("node-1", "operator", "reboot", "done", b"raw"),
        entry.decision_body("junction-7", "plan 3", "detector 12 is stuck", {"detector": 12}),
        entry.retention_body(DEVICE, 0, 100, "age", "site.example/log/0"),
    ],
)
def test_optional_fields_are_as_described_and_come_back(body: dict[int, Any]):
    kind = "key" if body is WHOLE_KEY else "retention" if body[3] == "age" else "command" if 4 in body else "decision"
    schema(f"{kind}-body").validate_cbor(cbor.encode(body))
    assert entry.decode_entry(entry.encode_entry(entry.Kind[kind.upper()], 0, 2, body)).body == body


@pytest.mark.parametrize(("label", "value"), [(4, 5), (4, -1), (5, b""), (6, 1), (7, ""), (8, [""]), (9, {"a": 1})])
def test_an_optional_field_of_the_wrong_type_is_refused(label: int, value: object):
    with pytest.raises(entry.EvidenceError, match=f"field {label}"):
        entry.decode_entry(entry.encode_entry(entry.Kind.KEY, 0, 2, WHOLE_KEY | {label: value}))


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.dictionaries(st.integers(0, 9), st.binary(max_size=9)))
def test_kind_and_time_are_those_of_the_whole_entry(kind: int, time_ms: int, body: dict[int, bytes]):
    data = cbor.encode({0: kind, 1: time_ms, 2: 2, 3: body})
    try:
        whole = entry.decode_entry(data)
    except entry.EvidenceError:
        return
    assert entry.kind_and_time(data) == (whole.kind, whole.logged_at_ms) == (kind, time_ms)


@given(st.binary(max_size=20), st.sampled_from([b"", b"\xa4", b"\xa4\x00\x01\x01", b"\xa4\x00\x01\x01\x1b"]))
def test_kind_and_time_of_no_entry(junk: bytes, head: bytes):
    with contextlib.suppress(entry.EvidenceError):
        kind, time_ms = entry.kind_and_time(head + junk)
        assert kind >= 0 and time_ms >= 0


def test_every_kind_has_a_row():
    for kind in entry.Kind:
        assert f"| {int(kind)} | {kind.name.lower()} |" in TEXT


def test_batches_and_bundles_are_as_described():
    log = SiteLog()
    log.add_key()
    log.add_packs(0, 5)
    schema("batch").validate_cbor(encode_batch(log.checkpoint, 2, log.items[2:4], log.subset_proof([(2, 4)])))
    for claim in (Claim(), Claim(DEVICE), Claim(DEVICE, 1), Claim(DEVICE, None, 2), Claim(DEVICE, 1, 2)):
        schema("bundle").validate_cbor(encode_bundle(log.bundle(lambda index: index != 3, claim)))

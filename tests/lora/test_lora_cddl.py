"""Messages of the radio link and the COSE structure are what docs/lora.md describes."""

import re
from pathlib import Path

import pycddl
import pytest
from wayside_wire import cbor, lora, lora_link, lora_report

MESSAGES = {
    "heard": lora_link.HeardFrame(12, -97, -22, bytes(51)),
    "send": lora_link.Send(7, 1500, bytes(1)),
    "sent": lora_link.Sent(7, lora_link.NO_BUDGET, 0),
    "radio": lora_link.RadioStatus(3, "UNIX", "wayside-node 0.1.0", 5, 36_000_000, {"heard": 9}),
}


def schema(rule: str) -> pycddl.Schema:
    text = (Path(__file__).parents[2] / "docs" / "lora.md").read_text()
    rules = "\n".join(re.findall(r"```cddl\n(.*?)```", text, re.DOTALL))
    return pycddl.Schema(f"start = {rule}\n{rules}")


@pytest.mark.parametrize("rule", MESSAGES)
def test_messages(rule: str) -> None:
    data = lora_link.encode(MESSAGES[rule])
    assert lora_link.decode(data) == MESSAGES[rule]
    schema(rule).validate_cbor(data)
    schema("radio-message").validate_cbor(data)
    for other in MESSAGES.keys() - {rule}:
        with pytest.raises(pycddl.ValidationError):
            schema(other).validate_cbor(data)


def test_profile_and_encrypt0() -> None:
    rows = [["t", "Cel", -2], ["rh", "%RH", -2]]
    schema("lora-profile").validate_cbor(cbor.encode(rows))
    profile = lora_report.AirProfile([lora_report.ReportChannel(*row) for row in rows])
    raw = lora.LoraSession(bytes(16), profile.digest).seal(lora.Header(lora.REPORT, False, 1, 2, 3), b"payload")
    message = [bytes.fromhex("a1010a"), {}, raw[lora.HEADER_SIZE :]]
    schema("lora-encrypt0").validate_cbor(cbor.encode(message))


def test_anybody_opens_a_frame_by_the_standard() -> None:
    """By RFC 9052 section 5.3 alone: the Enc_structure, the IV and the algorithm that docs/lora.md names."""
    import hashlib

    import cbor2
    from cryptography.hazmat.primitives.ciphers.aead import AESCCM

    rows = [["t", "Cel", -2]]
    profile = lora_report.AirProfile([lora_report.ReportChannel(*row) for row in rows])
    raw = lora.LoraSession(bytes(range(16)), profile.digest).seal(lora.Header(lora.HEAD, True, 1, 2, 3), b"payload")
    header, sealed = raw[:11], raw[11:]
    digest = hashlib.sha256(cbor2.dumps(rows, canonical=True)).digest()[:8]
    structure = cbor2.dumps(["Encrypt0", bytes.fromhex("a1010a"), header + digest])
    assert AESCCM(bytes(range(16)), 8).decrypt(header + bytes(2), sealed, structure) == b"payload"

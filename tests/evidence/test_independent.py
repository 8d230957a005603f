"""The same evidence checked by a program that shares no code with us: openssl, and hashes in a few lines."""

import base64
import subprocess
from hashlib import sha256
from pathlib import Path

import cbor2
import pytest
from evidence.site_log import KEY, LOG, NODE, SiteLog
from wayside.evidence.bundle import encode_bundle

_SPKI = bytes.fromhex("302a300506032b6570032100")  # RFC 8410 section 4: what stands before an Ed25519 public key in DER


def openssl_accepts(folder: Path, public: bytes, message: bytes, signature: bytes) -> bool:
    for name, data in (("key", _SPKI + public), ("message", message), ("signature", signature)):
        (folder / name).write_bytes(data)
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "key", "-rawin"]
    command += ["-in", "message", "-sigfile", "signature"]
    return subprocess.run(command, cwd=folder, capture_output=True).returncode == 0


@pytest.fixture
def fields() -> dict[int, object]:
    log = SiteLog()
    log.add_key()
    log.add_packs(0, 8)
    decoded: dict[int, object] = cbor2.loads(encode_bundle(log.bundle()))
    return decoded


def test_openssl_accepts_the_checkpoint_and_no_other(tmp_path: Path, fields: dict[int, object]):
    text, _, signatures = fields[1].decode().rpartition("\n\n")
    text += "\n"
    dash, name, encoded = signatures.split("\n")[0].split(" ")
    data = base64.b64decode(encoded)
    assert (dash, name) == ("—", KEY.name)
    assert data[:4] == sha256(name.encode() + b"\n\x01" + LOG.public).digest()[:4]
    assert openssl_accepts(tmp_path, LOG.public, text.encode(), data[4:])
    assert not openssl_accepts(tmp_path, LOG.public, text.replace("9", "8").encode(), data[4:])
    assert not openssl_accepts(tmp_path, NODE.public, text.encode(), data[4:])


def test_the_root_is_that_of_the_records(fields: dict[int, object]):
    """RFC 6962 section 2.1, from the records of a whole log alone."""
    hashes = [sha256(b"\0" + sha256(salt + entry).digest()).digest() for salt, entry in fields[3]]

    def tree(leaves: list[bytes]) -> bytes:
        if len(leaves) == 1:
            return leaves[0]
        half = 1
        while 2 * half < len(leaves):
            half *= 2
        return sha256(b"\1" + tree(leaves[:half]) + tree(leaves[half:])).digest()

    assert base64.b64encode(tree(hashes)).decode() == fields[1].decode().split("\n")[2]


def test_the_heads_are_those_of_the_records(fields: dict[int, object]):
    """RFC 6962 section 2.1 again, over the heads: with them nobody can leave anything out."""
    heads: dict[str, list[int]] = {}
    for index, (_, raw) in enumerate(fields[3]):
        entry = cbor2.loads(raw)
        count, _ = heads.get(entry[4], [0, 0])
        assert entry[5] == count
        heads[entry[4]] = [count + 1, index]
    assert heads == {"keys": [1, 0], "device/meter-1": [8, 8]}
    leaves = [sha256(b"\0" + cbor2.dumps([name, *heads[name]])).digest() for name in sorted(heads)]
    root = sha256(b"\1" + leaves[0] + leaves[1]).digest()
    assert fields[1].decode().split("\n")[3] == "wayside-heads/1 2 " + base64.b64encode(root).decode()
    assert {head[0]: head[1:3] for head in fields[7]} == heads


def test_openssl_accepts_every_pack(tmp_path: Path, fields: dict[int, object]):
    """RFC 9052 section 4.4: what is signed is the array of context, protected header, nothing and payload."""
    packs = [entry[3][1] for _, raw in fields[3] if (entry := cbor2.loads(raw))[0] == 1]
    assert len(packs) == 8
    for raw in packs:
        protected, _, payload, signature = cbor2.loads(raw).value
        signed = cbor2.dumps(["Signature1", protected, b"", payload])
        assert openssl_accepts(tmp_path, NODE.public, signed, signature)
        assert not openssl_accepts(tmp_path, NODE.public, signed + b"\0", signature)

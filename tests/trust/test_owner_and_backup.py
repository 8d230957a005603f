"""Files between site and owner, and the backup of keys: round trips, and everything that is not what it should be."""

import json
import subprocess
from pathlib import Path

import pytest
from wayside.evidence.certificate import open_certificate
from wayside.trust import backup, owner
from wayside.trust.keys import KeyFileError, SoftwareKey, load, load_gateway_key

LOG_KEY, IDENTITY, ROOT, THIEF = (SoftwareKey(bytes([number]) * 32) for number in range(1, 5))
KEYS = {"log": LOG_KEY, "gateway": IDENTITY}


def test_a_request_becomes_certificates_for_exactly_its_keys():
    request = owner.read_request(owner.make_request("site.example", KEYS))
    assert request.keys == {role: key.public for role, key in KEYS.items()}
    fields = owner.read_certificates(owner.certify(request, ROOT, 1_790_000_000_000))
    found = [open_certificate(bytes.fromhex(raw), ROOT.public) for raw in fields["certificates"]]
    assert {(each.site, each.role, each.public) for each in found} == {
        ("site.example", role, key.public) for role, key in KEYS.items()
    }


def changed(path: list[object], value: object) -> bytes:
    fields = json.loads(owner.make_request("site.example", KEYS))
    inner = fields
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a request"),
        (b"[]", "not a request"),
        (changed(["format"], "other/1"), "not a request"),
        (changed(["site"], "other.example"), "does not prove that it holds"),
        (changed(["keys", 0, "public"], THIEF.public.hex()), "proof is for another"),
        (changed(["keys", 0, "proof"], "zz"), "does not prove"),
        (changed(["keys", 0, "role"], "gateway"), "role of its own"),
        (changed(["keys"], []), "keys are needed"),
    ],
)
def test_a_request_that_is_none_is_refused(data: bytes, why: str):
    with pytest.raises(owner.OwnerFileError, match=why):
        owner.read_request(data)


def test_a_backup_comes_back_with_its_passphrase_only(tmp_path: Path):
    seeds = {"identity": bytes(32), "log": bytes(range(32))}
    data = backup.encode_backup(seeds, b"correct horse battery")
    assert bytes(range(32)) not in data and backup.decode_backup(data, b"correct horse battery") == seeds
    for wrong, passphrase in ((data, b"incorrect horse"), (b"nothing", b"correct horse battery")):
        with pytest.raises(KeyFileError):
            backup.decode_backup(wrong, passphrase)
    with pytest.raises(KeyFileError, match="at least 12"):
        backup.encode_backup(seeds, b"short")
    assert backup.restore_key(tmp_path / "log.key", seeds["log"])
    assert load(tmp_path / "log.key").public == SoftwareKey(seeds["log"]).public
    assert not backup.restore_key(tmp_path / "log.key", seeds["log"])
    with pytest.raises(KeyFileError, match="another key is there"):
        backup.restore_key(tmp_path / "log.key", seeds["identity"])


def test_another_program_reads_the_backup(tmp_path: Path):
    path = tmp_path / "backup.pem"
    path.write_bytes(backup.encode_backup({"log": bytes(range(32))}, b"correct horse battery"))
    command = ["openssl", "pkey", "-in", str(path), "-passin", "pass:correct horse battery", "-noout", "-text"]
    text = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    digits = "".join(text[text.index("pub:") + 4 :].split()).replace(":", "")
    assert digits == SoftwareKey(bytes(range(32))).public.hex()


def test_a_credential_of_systemd_comes_before_the_file(tmp_path: Path):
    state, credentials = tmp_path / "state", tmp_path / "credentials"
    state.mkdir()
    credentials.mkdir()
    made = load_gateway_key("log", state, str(credentials))
    assert (state / "log.key").exists()
    (credentials / "log.key").write_bytes(bytes(range(32)))
    (credentials / "log.key").chmod(0o440)  # as systemd's access list makes it look
    found = load_gateway_key("log", state, str(credentials))
    assert found.public == SoftwareKey(bytes(range(32))).public != made.public
    (credentials / "log.key").write_bytes(b"short")
    with pytest.raises(KeyFileError, match="5 bytes"):
        load_gateway_key("log", state, str(credentials))

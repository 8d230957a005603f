"""Files between site, owner and registrar, and the backup of keys: round trips, and all that is not as it should be."""

import json
import os
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wayside.evidence.certificate import Certificate, open_certificate
from wayside.trust import backup, owner
from wayside.trust.keys import KeyFileError, SoftwareKey, find_gateway_key, load, load_or_create
from wayside_wire import enrol

LOG_KEY, IDENTITY, ROOT, THIEF, NODE, REGISTRAR = (SoftwareKey(bytes([number]) * 32) for number in range(1, 7))
KEYS = {"log": LOG_KEY, "gateway": IDENTITY}
SITE = "site.example"
NOW_MS = 1_790_000_000_000
TERM = owner.CertificateTerm.of_days(NOW_MS, 1095)


def proof_by(key: SoftwareKey, assurance: int = 2) -> bytes:
    return enrol.make_proof(b"c" * 16, key.public, key.sign, "RP2040_METER", "1.0", assurance)


PROVEN = owner.NodeKey("node-1", NODE.public, proof_by(NODE))


def request(*nodes: owner.NodeKey) -> owner.CertificationRequest:
    return owner.read_request(owner.make_request(SITE, KEYS, nodes))


def certificates_in(data: bytes, signer: SoftwareKey) -> list[Certificate]:
    raws = owner.read_certificates(data)["certificates"]
    return [open_certificate(bytes.fromhex(raw), signer.public) for raw in raws]


def test_a_request_becomes_certificates_for_exactly_its_keys():
    asked = request(PROVEN)
    assert {each.name: each.public for each in asked.keys} == {
        "log": LOG_KEY.public, "gateway": IDENTITY.public, "node-1": NODE.public
    }  # fmt: skip
    found = certificates_in(owner.certify(asked, asked.keys, ROOT, TERM), ROOT)
    assert {(each.site, each.role, each.public, each.assurance) for each in found} == {
        (SITE, "log", LOG_KEY.public, None), (SITE, "gateway", IDENTITY.public, None), (SITE, "node", NODE.public, 2)
    }  # fmt: skip
    assert {(each.issued_ms, each.until_ms) for each in found} == {(NOW_MS, NOW_MS + 1095 * 86_400_000)}
    without_end = owner.certify(asked, asked.of_gateway(), ROOT, owner.CertificateTerm.of_days(NOW_MS, 0))
    assert {(each.role, each.until_ms) for each in certificates_in(without_end, ROOT)} == {
        ("log", None), ("gateway", None)
    }  # fmt: skip


def test_the_class_is_that_of_the_proof_unless_the_certifier_says_another():
    by_eye = owner.NodeKey("node-2", THIEF.public)
    asked = request(PROVEN, by_eye)
    assert [each.is_proven for each in asked.of_nodes()] == [True, False]

    def classes(said: dict[str, int]) -> list[int | None]:
        data = owner.certify(asked, asked.of_nodes(), ROOT, TERM, said)
        return [each.assurance for each in certificates_in(data, ROOT)]

    assert classes({}) == [2, 0], "what nobody has proven is C0"
    assert classes({"node-1": 1, "node-2": 3}) == [1, 3]
    with pytest.raises(owner.OwnerFileError, match="node-9"):
        classes({"node-9": 1})
    with pytest.raises(owner.OwnerFileError, match="node-1"):
        owner.certify(asked, asked.of_gateway(), ROOT, TERM, {"node-1": 4})


def registrar(
    site: str = SITE, public: bytes = REGISTRAR.public, term: owner.CertificateTerm = TERM
) -> owner.Registrar:
    return owner.read_registrar(owner.certify_registrar(site, public, ROOT, term))


def test_a_registrar_certifies_nodes_and_hands_on_who_lets_him():
    asked = request(PROVEN)
    data = owner.certify(asked, asked.of_nodes(), REGISTRAR, TERM, registrar=registrar())
    (found,) = certificates_in(data, REGISTRAR)
    assert (found.role, found.public) == ("node", NODE.public)
    fields = owner.read_certificates(data)
    own = open_certificate(bytes.fromhex(fields["registrar"]), bytes.fromhex(fields["root"]))
    assert (own.role, own.public, own.site) == ("registrar", REGISTRAR.public, SITE)
    old = owner.CertificateTerm(1, 2)
    for keys, signer, his, why in (
        (asked.keys, REGISTRAR, registrar(), "certifies nodes only"),
        (asked.of_nodes(), THIEF, registrar(), "for another key"),
        (asked.of_nodes(), REGISTRAR, registrar("other.example"), "is for other.example"),
        (asked.of_nodes(), REGISTRAR, registrar(term=old), "has ended"),
        ([], REGISTRAR, registrar(), "no key that is to be certified"),
    ):
        with pytest.raises(owner.OwnerFileError, match=why):
            owner.certify(asked, keys, signer, TERM, registrar=his)


def test_a_registrars_certificate_is_by_the_root_and_for_a_registrar():
    for site, public, why in (
        ("Site Example", REGISTRAR.public, "no name of a site"),
        (SITE, ROOT.public, "a key of his own"),
        (SITE, b"short", "64 hexadecimal"),
    ):
        with pytest.raises(owner.OwnerFileError, match=why):
            owner.certify_registrar(site, public, ROOT, TERM)
    asked = request()
    for data in (owner.certify(asked, asked.keys, ROOT, TERM), owner.certify(asked, asked.keys[:1], ROOT, TERM), b"{}"):
        with pytest.raises(owner.OwnerFileError, match="not "):
            owner.read_registrar(data)


def test_a_key_of_the_site_does_not_certify_the_site():
    asked = request(PROVEN)
    for key in (LOG_KEY, IDENTITY, NODE):
        with pytest.raises(owner.OwnerFileError, match="a key of its own"):
            owner.certify(asked, asked.keys, key, TERM)


def changed(path: list[object], value: object) -> bytes:
    fields = json.loads(owner.make_request(SITE, KEYS, [PROVEN]))
    inner = fields
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return json.dumps(fields).encode()


def twice() -> bytes:
    fields = json.loads(owner.make_request(SITE, KEYS, [PROVEN]))
    fields["keys"].append(fields["keys"][2] | {"node": "node-2"})
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a request"),
        (b"[]", "not a request"),
        (b"[" * 100_000, "not a request"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not a request"),
        (b" " * (owner.MAX_FILE + 1), "are over"),
        (changed(["format"], "other/1"), "not a request .* `wayside keys request` writes it"),
        (changed(["site"], "other.example"), "does not prove that it holds .* another site's name"),
        (changed(["site"], "Other Example"), "not a request"),
        (changed(["keys", 0, "public"], THIEF.public.hex()), "proof is for another"),
        (changed(["keys", 0, "public"], "00"), "64 hexadecimal"),
        (changed(["keys", 0, "proof"], "zz"), "does not prove"),
        (changed(["keys", 0, "role"], "gateway"), "named twice|does not prove"),
        (changed(["keys", 0, "role"], "registrar"), "has a role"),
        (changed(["keys", 0, "role"], ["log"]), "has a role"),
        (changed(["keys", 0], 7), "64 hexadecimal"),
        (changed(["keys", 2, "public"], THIEF.public.hex()), "for another key"),
        (changed(["keys", 2, "proof"], proof_by(NODE).hex()[:-2] + "00"), "does not prove"),
        (changed(["keys", 2, "proof"], "00"), "does not prove"),
        (changed(["keys", 2, "node"], "log"), "named twice"),
        (changed(["keys", 2, "node"], "a\x1b[2J"), "has a role"),
        (changed(["keys", 2, "node"], ""), "has a role"),
        (twice(), "named twice"),
        (changed(["keys"], []), "keys are needed"),
    ],
)
def test_a_request_that_is_none_is_refused(data: bytes, why: str):
    with pytest.raises(owner.OwnerFileError, match=why):
        owner.read_request(data)


WORDS = st.sampled_from(["log", "node", THIEF.public.hex()])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "node", "public"]), inner),
    max_leaves=6,
)
PLACES = [["site"], ["keys"], ["format"]] + [
    ["keys", at, *more] for at in range(3) for more in ([], ["role"], ["node"], ["public"], ["proof"])
]


@given(st.sampled_from(PLACES), JSON)
def test_whatever_stands_in_a_request_it_names_proven_keys_or_is_refused(place: list[object], value: object):
    try:
        asked = owner.read_request(changed(place, value))
    except owner.OwnerFileError:
        return
    own = {each.role: each.public for each in asked.of_gateway()}
    assert own.items() <= {"log": LOG_KEY.public, "gateway": IDENTITY.public}.items()
    assert all(each.public == NODE.public or not each.is_proven for each in asked.of_nodes())


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_no_file_of_the_owner(data: bytes):
    for read in (owner.read_request, owner.read_certificates, owner.read_registrar):
        with pytest.raises(owner.OwnerFileError):
            read(data)


# --- key files ---


def test_a_key_that_anybody_can_guess_is_refused(tmp_path: Path):
    path = tmp_path / "identity.key"
    for seed in (bytes(32), b"\xff" * 32, b"password" * 4, b"0123456" * 4 + b"0123"):
        path.unlink(missing_ok=True)
        path.write_bytes(seed)
        path.chmod(0o600)
        for use in (lambda: load(path), lambda: find_gateway_key("identity", tmp_path, None)):
            with pytest.raises(KeyFileError, match="anybody can guess"):
                use()
        path.unlink()
        with pytest.raises(KeyFileError, match="anybody can guess"):
            backup.restore_key(path, seed)
        assert not path.exists()
    assert all(len(set(os.urandom(32))) >= 8 for _ in range(10_000))


def test_a_backup_comes_back_with_its_passphrase_only(tmp_path: Path):
    seeds = {name: sha256(name.encode()).digest() for name in ("identity", "log")}
    data = backup.encode_backup(seeds, b"correct horse battery")
    assert seeds["log"] not in data and backup.decode_backup(data, b"correct horse battery") == seeds
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
    path.write_bytes(backup.encode_backup({"log": sha256(b"log").digest()}, b"correct horse battery"))
    command = ["openssl", "pkey", "-in", str(path), "-passin", "pass:correct horse battery", "-noout", "-text"]
    text = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    digits = "".join(text[text.index("pub:") + 4 :].split()).replace(":", "")
    assert digits == SoftwareKey(sha256(b"log").digest()).public.hex()


def test_a_credential_of_systemd_comes_before_the_file(tmp_path: Path):
    state, credentials = tmp_path / "state", tmp_path / "credentials"
    state.mkdir()
    credentials.mkdir()
    assert find_gateway_key("log", state, str(credentials)) is None
    (state / "log.key").touch(0o600)
    assert find_gateway_key("log", state, str(credentials)) is None, "its making was cut off"
    (state / "log.key").unlink()
    made = load_or_create(state / "log.key")
    assert find_gateway_key("log", state, str(credentials)).public == made.public
    seed = sha256(b"another").digest()
    (credentials / "log.key").write_bytes(seed)
    (credentials / "log.key").chmod(0o440)  # as systemd's access list makes it look
    found = find_gateway_key("log", state, str(credentials))
    assert found.public == SoftwareKey(seed).public != made.public
    for wrong, why in ((b"short", "5 bytes"), (bytes(32), "anybody can guess")):
        (credentials / "log.key").chmod(0o600)
        (credentials / "log.key").write_bytes(wrong)
        with pytest.raises(KeyFileError, match=why):
            find_gateway_key("log", state, str(credentials))

"""Files of secrets: one folder, each used only for what it was put there for, a password sent only where it may go."""

import asyncio
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from north.mosquitto import PROGRAM, Mosquitto
from service.test_remote import Bench, message
from waiting import until
from wayside.cli import main
from wayside.daemon.daemon import Daemon
from wayside.north.forward import Forwarder
from wayside.runtime.clock import SystemClock
from wayside.settings.config_values import SECRET_NAME
from wayside.settings.secret_role import PlainFile, Role, SecretFile
from wayside.site import config, secret_files
from wayside.site.config import SiteFile, SiteFileError, Table
from wayside.site.secret_files import Secrets, Use, password_lines
from wayside.trust.keys import load_or_create

SITE = '[site]\nname = "test.example"\n'
SINK = '[[sink]]\nname = "city"\nkind = "mqtt"\nurl = "{url}"\nusername = "u"\npassword_file = "{name}"\n'
HERE = "mqtts://broker.example:8883"


def a_use(name: str = "city", role: Role = Role.PASSWORD, url: str = HERE, is_public: bool = False) -> Use:
    return Use(SecretFile(name, role, is_public), url)


def test_a_password_is_read_for_the_address_that_its_file_names(tmp_path: Path):
    site = tmp_path / "site.toml"
    secret_files.write(site, Role.PASSWORD, "city", password_lines(HERE, "hunter2 with spaces").encode())
    assert Secrets(site).password(a_use()) == "hunter2 with spaces"
    assert Secrets(site).password(a_use(url="mqtts://BROKER.example")) == "hunter2 with spaces", (
        "8883 is the usual port"
    )
    two = f"for mqtt://10.0.0.7\nfor {HERE}\npw\n"
    secret_files.write(site, Role.PASSWORD, "city", two.encode())
    for url in ("mqtt://10.0.0.7:1883", HERE):
        assert Secrets(site).password(a_use(url=url)) == "pw"
    for folder in (tmp_path / "secrets", tmp_path / "secrets" / "passwords"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "secrets" / "passwords" / "city").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "url",
    [
        "mqtts://evil.example:8883",
        "mqtt://broker.example:8883",  # in the clear
        "mqtts://broker.example:8884",
        "mqtts://broker.example.evil.example:8883",
        "mqtts://broker.example:8883@evil.example",
        "https://broker.example:8883/in",
        "/dev/ttyACM0",
    ],
)
def test_a_password_goes_nowhere_else(tmp_path: Path, url: str):
    site = tmp_path / "site.toml"
    secret_files.write(site, Role.PASSWORD, "city", password_lines(HERE, "hunter2").encode())
    with pytest.raises(SiteFileError, match="may not be sent to") as raised:
        Secrets(site).password(a_use(url=url))
    assert "hunter2" not in str(raised.value)


PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAA\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"hunter2\n", "is no password file"),  # a file of a password as other programs have them
        (b"", "is no password file"),
        (PEM.encode(), "city:1: write"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\n", "is no password file"),
        (b"\x30\x2e\x02\x01\x00" + bytes(range(43)), "is no password file"),
        (bytes(range(200, 232)), "is no password file"),  # as identity.key
        (b"\x1b" * 32, "is no password file"),
        (b"11" * 16, "is no password file"),  # as a radio's key
        (f"for {HERE}\n".encode(), "is no password file"),
        (f"for {HERE}\n \n".encode(), "is no password file"),
        (f"for {HERE}\n{PEM}".encode(), "city:2: write"),
        (f"for {HERE}\npass\x00word\n".encode(), "is no password file"),
        (b"for somewhere\npw\n", "city:1: write"),
        (f"for {HERE}\n".encode() + b"p" * 5000, "not a file of that kind"),
    ],
)
def test_what_is_no_password_file_is_not_sent(tmp_path: Path, content: bytes, said: str):
    site = tmp_path / "site.toml"
    secret_files.write(site, Role.PASSWORD, "city", content)
    with pytest.raises(SiteFileError, match=said):
        Secrets(site).password(a_use())


@given(st.binary(max_size=80))
def test_no_32_bytes_and_no_key_without_an_address_are_ever_a_password(tmp_path_factory: pytest.TempPathFactory, data):  # type: ignore[no-untyped-def]
    site = tmp_path_factory.getbasetemp() / "site.toml"
    secret_files.write(site, Role.PASSWORD, "any", data)
    with pytest.raises(SiteFileError):
        Secrets(site).password(a_use("any"))


def link(folder: Path, file: Path) -> None:
    file.symlink_to(folder / "outside")


def link_of_the_folder(folder: Path, file: Path) -> None:
    file.write_text(f"for {HERE}\npw\n")
    file.parent.rename(folder / "elsewhere")
    file.parent.symlink_to(folder / "elsewhere")


def link_of_all(folder: Path, file: Path) -> None:
    file.write_text(f"for {HERE}\npw\n")
    (folder / "secrets").rename(folder / "elsewhere")
    (folder / "secrets").symlink_to(folder / "elsewhere")


def open_to_all(folder: Path, file: Path) -> None:
    file.write_text(f"for {HERE}\npw\n")
    for path, mode in ((file, 0o644), (file.parent, 0o755), (folder / "secrets", 0o755)):
        path.chmod(mode)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (link, "cannot be read"),
        (link_of_the_folder, "cannot be read"),
        (link_of_all, "cannot be read"),
        (lambda folder, file: os.mkfifo(file), "not a regular file"),
        (lambda folder, file: file.mkdir(), "not a regular file"),
        (lambda folder, file: None, "is not there"),
        (open_to_all, "everybody here can read it; type: chmod 700"),
    ],
    ids=["link", "link of the folder", "link of all", "pipe", "folder", "absent", "open to all"],
)
def test_only_regular_files_in_the_folder_that_nobody_else_may_read(
    tmp_path: Path, make: Callable[[Path, Path], None], said: str
):
    (tmp_path / "outside").write_text(f"for {HERE}\npw\n")
    make(tmp_path, secret_files.make_folder(tmp_path / "site.toml", Role.PASSWORD) / "city")
    with pytest.raises(SiteFileError, match=said):
        Secrets(tmp_path / "site.toml").password(a_use())


def test_a_certificate_is_public_and_may_be_read_by_all(tmp_path: Path):
    file = secret_files.make_folder(tmp_path / "site.toml", Role.TLS) / "ca.pem"
    open_to_all(tmp_path, file)
    secrets = Secrets(tmp_path / "site.toml")
    assert secrets.path(a_use("ca.pem", Role.TLS, is_public=True)) == file
    with pytest.raises(SiteFileError, match="everybody"):
        secrets.path(a_use("ca.pem", Role.TLS))


@pytest.mark.parametrize(
    "name", ["../state/identity.key", "/etc/shadow", "state/identity.key", ".", "..", "", ".x", "a/b"]
)
@pytest.mark.parametrize("key", ["password_file", "ca_file", "cert_file", "key_file"])
def test_a_site_file_names_files_by_their_plain_name(tmp_path: Path, name: str, key: str):
    site = tmp_path / "site.toml"
    site.write_text(SITE + f'[[sink]]\nname = "city"\nkind = "mqtt"\nurl = "{HERE}"\n{key} = "{name}"\n')
    with pytest.raises(SiteFileError, match="write the plain name of a file"):
        config.load(site)


@given(st.text(max_size=12))
def test_a_name_never_leads_out_of_its_folder(name: str):
    if SECRET_NAME.fullmatch(name):
        assert Path("/s", name).parent == Path("/s") and Path(os.path.normpath(f"/s/{name}")) == Path("/s", name)


@pytest.mark.parametrize("state", ["secrets", "secrets/passwords", "./secrets/x", "a/../secrets"])
def test_log_and_keys_cannot_lie_among_the_secrets(tmp_path: Path, state: str):
    site = tmp_path / "site.toml"
    site.write_text(SITE + f'state = "{state}"\n')
    with pytest.raises(SiteFileError, match="keep log and keys in another"):
        config.load(site)


def tables(kind: type[Table]) -> set[type[Table]]:
    found = {kind}
    for below in kind.__subclasses__():
        found |= tables(below)
    return found


def test_every_key_of_a_site_file_that_names_a_file_has_a_role():
    named = {(table, key) for table in tables(Table) for key in table.model_fields if key.endswith("_file")}
    kinds = {
        (table, key): {each for each in (SecretFile, PlainFile) if each.__name__ in str(field.annotation)}
        for table in tables(Table)
        for key, field in table.model_fields.items()
    }
    known = {where for where, kind in kinds.items() if kind == {SecretFile}}
    assert SiteFile in tables(Table) and len(known) > 15
    assert known <= named
    assert named - known == {(table, key) for (table, key), kind in kinds.items() if kind == {PlainFile}}


def test_check_explains_what_is_wrong_with_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    site = tmp_path / "site.toml"
    site.write_text(SITE + SINK.format(url=HERE, name="one") + SINK.format(url=HERE, name="two").replace("city", "b"))
    secret_files.write(site, Role.PASSWORD, "one", b"for mqtts://elsewhere.example\npw\n")
    assert main(["check", str(site)]) == 1
    told = capsys.readouterr().err
    assert "sink[1].password_file" in told and "may not be sent to mqtts://broker.example:8883" in told
    assert "sink[2].password_file" in told and "is not there; write it with: wayside config password" in told


def test_the_command_writes_what_check_finds_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    import io

    site = tmp_path / "site.toml"
    site.write_text(SITE + SINK.format(url=HERE, name="city"))
    words = ["config", "password", str(site)]
    for name, url, typed in (("../x", HERE, "pw"), ("city", "broker", "pw"), ("city", HERE, "")):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{typed}\n"))
        assert main([*words, name, url]) == 2
    assert not (tmp_path / "secrets").exists()
    monkeypatch.setattr("sys.stdin", io.StringIO("hunter2\n"))
    assert main([*words, "city", "mqtts://broker.example/"]) == 0
    assert main(["check", str(site)]) == 0
    assert "hunter2" not in capsys.readouterr().out


# --- from afar ---


def test_an_operator_from_afar_gets_no_secret_by_naming_it(tmp_path: Path):
    """The TLS key, a radio's key, the gateway's own keys, and a password whose address he changed."""
    bench = Bench(tmp_path)
    secret_files.write(bench.path, Role.PASSWORD, "city", password_lines(HERE, "hunter2").encode())
    secret_files.write(bench.path, Role.TLS, "key.pem", PEM.encode())
    secret_files.write(bench.path, Role.RADIO, "air-1.key", b"11" * 16)
    (tmp_path / "state").mkdir()
    load_or_create(tmp_path / "state" / "identity.key")
    asked = [
        SINK.format(url="mqtt://evil.example", name=name)
        for name in ("city", "key.pem", "air-1.key", "identity.key", "../tls/key.pem", "../../state/identity.key")
    ]
    asked.append(SINK.format(url="mqtt://broker.example:8883", name="city"))
    asked.append(
        SINK.format(url="https://evil.example/in", name="city")
        .replace("mqtt", "webhook")
        .replace('username = "u"\n', "")
    )
    asked.append('[remote]\nurl = "mqtts://evil.example"\nusername = "u"\npassword_file = "city"\n')
    asked.append('[[node]]\nname = "n"\ndevices = ["d"]\nport = "mqtts://evil.example"\npassword_file = "city"\n')
    for more in asked:
        new = bench.path.read_text() + more
        bench.inbox.answers.clear()
        (result,) = asyncio.run(bench.ask(message(bench.request(new), file=new)))
        assert not result.is_done and result.text.startswith("refused: "), more
        assert "hunter2" not in result.text and "PRIVATE" not in result.text
    assert bench.inbox.counters == {"not usable": len(asked)} and bench.history.next_number() == 2


def test_a_broker_elsewhere_hears_no_password_even_from_a_site_file_that_was_edited_by_hand(tmp_path: Path):
    if PROGRAM is None:
        pytest.skip("mosquitto is not installed (Debian package mosquitto)")

    async def scenario(port: int) -> None:
        site = tmp_path / "site.toml"
        site.write_text(SITE + SINK.format(url=f"mqtt://127.0.0.1:{port}", name="city"))
        secret_files.write(site, Role.PASSWORD, "city", password_lines(HERE, "hunter2").encode())
        with pytest.raises(SiteFileError, match="may not be sent to mqtt:"):
            await Daemon(config.load(site), site, SystemClock()).run()
        secret_files.write(site, Role.PASSWORD, "city", password_lines(f"mqtt://127.0.0.1:{port}", "hunter2").encode())
        daemon = Daemon(config.load(site), site, SystemClock())
        running = asyncio.create_task(daemon.run())
        try:
            await until(lambda: any(each.status.connected for each in daemon.parts.of(Forwarder)))
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    with Mosquitto(tmp_path) as broker:
        asyncio.run(scenario(broker.port))

"""A marker in every place of a site file, and of the files that it names, that can hold a secret. Then everything that
speaks of the site is asked, a real gateway, every command, every page, and the marker must be nowhere."""

import asyncio
import http.client
import io
import logging
import os
import socket
import subprocess
import sys
import tarfile
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from north.certificates import Authority
from service.test_remote import Bench, message
from waiting import PATIENCE_S, free_port, wait_until
from wayside.cli import main
from wayside.daemon.messages import handler
from wayside.settings.secret_role import Role
from wayside.site import secret_files
from wayside.web import users

MARKER = "M4rk3rS3cretM4rk3r"
WITNESS = "witness.example.org+820fd8f3+BHm1Vi6P5lT5QHixEuipi6eQH4U65pW+1+DjkQutBJZk"

SITE = f"""# The password is {MARKER}.
[site]
name = "test.example"
[web]
listen = "127.0.0.1:{{web}}"
users_file = "users"
[remote]
url = "mqtt://{MARKER}@127.0.0.1:1"
password_file = "any"
[[bus]]
name = "cabinet"
endpoint = "tcp://127.0.0.1:1"
[[bus.device]]
name = "meter-1"
unit = 1
profile = "eastron-sdm630"
poll_ms = 100
report_ms = 100
[[node]]
name = "node-1"
port = "mqtt://{MARKER}@127.0.0.1:1"
username = "{MARKER}"  # {MARKER}
password_file = "any"
public_key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
devices = ["node-meter"]
[[ble]]
[[ble.sensor]]
device = "room"
address = "54:48:E6:8F:80:A5"
key_file = "room.key"
[[adapter]]
device = "air"
kind = "w1_thermometer"
options = {{{{folder = "/nowhere/{MARKER}", every_s = 0.1, thermometers = {{{{top = "28-3c01d607ed5c"}}}}}}}}
[[sink]]
name = "city"
kind = "mqtt"
url = "mqtts://{MARKER}@127.0.0.1:{{echo}}"
username = "{MARKER}"
password_file = "any"
ca_file = "ca.pem"
cert_file = "client.pem"
key_file = "client.key"
[[sink]]
name = "broken"
kind = "mqtt-json"
url = "mqtts://127.0.0.1:{{echo}}"
ca_file = "garbage.pem"
[[sink]]
name = "works"
kind = "webhook"
url = "http://127.0.0.1:{{echo}}/{MARKER}/in?token={MARKER}"
password_file = "any"
[[sink]]
name = "away"
kind = "webhook"
url = "https://127.0.0.1:{{echo}}/{MARKER}"
password_file = "any"
[[witness]]
name = "neighbour"
url = "http://127.0.0.1:{{echo}}/{MARKER}"
vkey = "{WITNESS}"
"""


@contextmanager
def echo() -> Iterator[int]:
    """The port of a far side that answers every HTTP request by repeating the whole of it in its own words."""
    server = socket.create_server(("127.0.0.1", 0))
    stopped = threading.Event()

    def serve() -> None:
        while not stopped.is_set():
            try:
                link, _ = server.accept()
            except OSError:
                return
            with link:
                link.settimeout(PATIENCE_S)
                try:
                    asked = link.recv(65536)
                    words = asked.decode(errors="replace").replace("\r\n", " ")
                    body = asked
                    head = f"HTTP/1.1 403 No {words}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                    link.sendall(head.encode() + body)
                except OSError:
                    pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        stopped.set()
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


def forms(secret: str) -> Iterator[bytes]:
    raw = secret.encode()
    yield from (raw, raw.hex().encode(), b64encode(raw).rstrip(b"="), raw[::-1])
    yield secret[4:-4].encode()  # a part of it is a part too much


def assert_tells_nothing(told: bytes, where: str) -> None:
    assert told, where
    for form in forms(MARKER):
        at = told.lower().find(form.lower())
        assert at < 0, f"{where}: ...{told[max(0, at - 200) : at + 80]!r}"


def fill(folder: Path, site: Path, echo_port: int) -> None:
    """The files of secrets, each with the marker in it."""
    places = [
        f"{scheme}://127.0.0.1:{port}" for scheme in ("mqtt", "mqtts", "http", "https") for port in (1, echo_port)
    ]
    password = "".join(f"for {place}\n" for place in places) + MARKER + "\n"
    authority = Authority(folder)
    certificate, key = authority.issue("client")
    files = {
        (Role.PASSWORD, "any"): password.encode(),
        (Role.RADIO, "room.key"): MARKER.encode()[:16].hex().encode(),
        (Role.TLS, "ca.pem"): f"{MARKER}\n".encode() + authority.ca_file.read_bytes(),
        (Role.TLS, "client.pem"): certificate.read_bytes(),
        (Role.TLS, "client.key"): f"{MARKER}\n".encode() + key.read_bytes(),
        (Role.TLS, "garbage.pem"): f"-----BEGIN {MARKER}-----\n".encode(),
    }
    for (role, name), data in files.items():
        secret_files.write(site, role, name, data)
    users.save(secret_files.make_folder(site, Role.USERS) / "users", "ada", "operator", f"{MARKER}-long")


def command(capsys: pytest.CaptureFixture[str], *words: object) -> bytes:
    capsys.readouterr()
    main([str(word) for word in words])
    told = capsys.readouterr()
    return (told.out + told.err).encode()


def page(port: int, method: str, path: str, headers: dict[str, str]) -> tuple[bytes, str]:
    """What an answer says, the beginning where it never ends, and the session that it gives."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    body = f"name=ada&password={MARKER}-long" if path == "/login" and method == "POST" else None
    link.request(method, path, body, headers)
    answer = link.getresponse()
    head = str(answer.getheaders())
    data = b""
    while path == "/events" and b"last_error" not in data:
        data += answer.read1(65536)
    data = data or answer.read()
    link.close()
    if path == "/support-bundle":
        return unpacked(data), head
    return head.encode() + data, head


def unpacked(data: bytes) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(data)) as bundle:
        parts = [name.encode() + (bundle.extractfile(name) or io.BytesIO()).read() for name in bundle.getnames()]
    assert any(b"sink.works.url" in part for part in parts) and any(b"last_error" in part for part in parts)
    return b"\n".join(parts)


def test_a_marker_in_every_secret_place_is_told_nowhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("aiohttp")
    site, new, web = tmp_path / "site.toml", tmp_path / "new.toml", free_port()
    messages = tmp_path / "messages"
    with echo() as port, messages.open("wb") as out:
        fill(tmp_path, site, port)
        site.write_text(SITE.format(web=web, echo=port))
        assert main(["check", str(site)]) == 0, capsys.readouterr().err
        gateway = subprocess.Popen(
            [sys.executable, "-m", "wayside", "run", site], stdout=out, stderr=out, env=os.environ
        )
        try:
            wait_until(lambda: (tmp_path / "state" / "status.sock").exists(), "the gateway")

            def failed() -> bool:
                told = command(capsys, "status", site, "--json").decode()
                wanted = ("sink city", "sink broken", "sink works", "sink away", "cannot be reached", "answers 403")
                said = messages.read_text() + told
                return all(each in said for each in wanted[:4]) and any(each in said for each in wanted[4:])

            wait_until(failed, "every far side to have failed")
            # A file that does not come up: its web port is taken by the far side.
            taken = SITE.format(web=port, echo=port).replace("/in?token=", "/other?token=")
            new.write_text(taken)
            spoken = {
                f"wayside {' '.join(map(str, words))}": command(capsys, *words)
                for words in (
                    ("check", site),
                    ("config", "diff", site, new),
                    ("config", "apply", site, new),
                    ("config", "history", site),
                    ("config", "limits", site),
                    ("status", site),
                    ("status", site, "--json"),
                    ("top", site, "--times", "2", "--every", "0.1"),
                    ("keys", "list", site),
                    ("log", site),
                    ("log", site, "--entries", "200"),
                    ("export", site, tmp_path / "whole.evidence"),
                    ("support-bundle", site, tmp_path / "bundle.tar.gz"),
                    ("check", tmp_path / "secrets" / "passwords" / "any"),
                )
            }
            assert b"what differs is not shown" in spoken[f"wayside config diff {site} {new}"]
            assert b"did not come up" in spoken[f"wayside config history {site}"]
            spoken["bundle of the command"] = unpacked((tmp_path / "bundle.tar.gz").read_bytes())
            spoken["evidence"] = (tmp_path / "whole.evidence").read_bytes()
            form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://127.0.0.1:{web}"}
            _, head = page(web, "POST", "/login", form)
            session = {"Cookie": head.split("'Set-Cookie', '")[1].split(";")[0], "Origin": f"http://127.0.0.1:{web}"}
            for path in ("/", "/events", "/metrics", "/support-bundle", "/login", "/nothing"):
                spoken[f"page {path}"] = page(web, "GET", path, session)[0]
            spoken["page /reload"] = page(web, "POST", "/reload", session)[0]
        finally:
            gateway.terminate()
            gateway.wait(PATIENCE_S)
    spoken["messages"] = messages.read_bytes()
    spoken["the history's failures"] = b"".join(path.read_bytes() for path in tmp_path.glob("*.history/*.failed"))
    for path in (tmp_path / "state").rglob("*"):
        if path.is_file() and path.stat().st_size:
            spoken[f"state/{path.name}"] = path.read_bytes()
    for where, told in spoken.items():
        assert_tells_nothing(told, where)


BROKEN = [
    f'[[sink]]\nname = "a"\nkind = "webhook"\nurl = "https://u:{MARKER}@h/"\n',
    f'[[sink]]\nname = "a"\nkind = "webhook"\nurl = "https://h:{MARKER}/"\n',
    f'[[sink]]\nname = "a"\nkind = "webhook"\nurl = "https://h/x {MARKER}"\n',
    f'[[sink]]\nname = "a"\nkind = "webhook"\nurl = ["https://h/{MARKER}"]\n',
    f'[[sink]]\nname = "a"\nkind = "mqtt"\nurl = "mqtt://u:{MARKER}@h"\n',
    f'[[sink]]\nname = "a"\nkind = "mqtt"\nurl = "mqtt://u:x/{MARKER}@h"\n',
    f'[[sink]]\nname = "a"\nkind = "mqtt"\nurl = "mqtt://h/{MARKER}"\n',
    f'[[sink]]\nname = "a"\nkind = "mqtt"\nurl = "https://h/{MARKER}"\n',
    f'[[sink]]\nname = "a"\nkind = "mqtt"\nurl = "mqtt://h"\nusername = ["{MARKER}"]\n',
    f'[[sink]]\nname = "a"\nkind = "mqtt"\nurl = "mqtt://h"\npassword = "{MARKER}"\n',
    f'[[sink]]\nname = "a"\nkind = "mqtt"\nurl = "mqtt://h"\npassword_file = "{MARKER}/x"\n',
    f'[[sink]]\nname = "a"\nkind = "mqtt"\nurl = "mqtt://h"\nusername = "{MARKER}\n',
    f'[remote]\nurl = "mqtts://[{MARKER}"\n',
    f'[[node]]\nname = "n"\ndevices = ["d"]\nport = "mqtt://u:{MARKER}@h"\n',
    f'[[bus]]\nname = "b"\nendpoint = "tcp://u:{MARKER}@h"\n',
    f'[[bus]]\nname = "b"\nendpoint = "tcp://h/?password={MARKER}"\n',
    f'[[bus]]\nname = "b"\nendpoint = "u:{MARKER}@h"\n',
    f'[[witness]]\nname = "w"\nurl = "https://u:{MARKER}@h"\nvkey = "{WITNESS}"\n',
    f'[[witness]]\nname = "w"\nurl = "https://h/?{MARKER}"\nvkey = "{WITNESS}"\n',
    f'[[adapter]]\ndevice = "a"\nkind = "w1_thermometer"\noptions = {{thermometers = {{top = "{MARKER}"}}}}\n',
]


@pytest.mark.parametrize("wrong", BROKEN, ids=range(len(BROKEN)))
def test_what_is_wrong_is_explained_without_telling_it(tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: str):
    """By `check`, and in the answer to an operator from afar, which the log keeps."""
    bench = Bench(tmp_path)
    new = bench.path.read_text() + wrong
    (result,) = asyncio.run(bench.ask(message(bench.request(new), file=new)))
    assert not result.is_done
    assert_tells_nothing(result.text.encode(), "answer")
    assert_tells_nothing(repr(bench.recorded).encode(), "log")
    bench.path.write_text(new)
    assert_tells_nothing(command(capsys, "check", bench.path), "check")


def test_a_trace_in_the_journal_is_redacted_too():
    out = io.StringIO()
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "lost %s", (f"https://h/{MARKER}",), None)
    try:
        raise OSError(f"mqtt://u:{MARKER}@h is away")
    except OSError:
        record.exc_info = sys.exc_info()
    handler({}, out, Path("/nowhere")).handle(record)
    assert "lost https://h/..." in out.getvalue() and "OSError: mqtt://h is away" in out.getvalue()
    assert MARKER not in out.getvalue()

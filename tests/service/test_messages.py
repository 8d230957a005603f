"""Messages in the journal's native protocol, heard by a socket of our own; plain text where there is no journal."""

import asyncio
import io
import logging
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from north.mosquitto import free_port
from waiting import until
from wayside.daemon.daemon import Daemon
from wayside.daemon.messages import JournalHandler, handler
from wayside.runtime.clock import SystemClock
from wayside.settings.secret_role import Role
from wayside.site import config, secret_files
from wayside.text.printable import printable_lines

Fields = dict[str, str]


class Journal:
    """journald's end: what it would read from each datagram."""

    def __init__(self, path: Path):
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)

    def close(self) -> None:
        self._socket.close()

    def heard(self) -> list[Fields]:
        found = []
        while True:
            try:
                found.append(parsed(self._socket.recv(1 << 20)))
            except BlockingIOError:
                return found


def parsed(data: bytes) -> Fields:
    """A datagram as the protocol's description has it: NAME=value, or NAME, length in 8 bytes and the value."""
    fields: Fields = {}
    while data:
        line, _, rest = data.partition(b"\n")
        name, separator, value = line.partition(b"=")
        if not separator:
            (length,) = struct.unpack_from("<Q", rest)
            value, rest = rest[8 : 8 + length], rest[9 + length :]
        fields[name.decode()], data = value.decode(), rest
    return fields


@contextmanager
def journal(folder: Path) -> Iterator[Journal]:
    made = Journal(folder / "journal")
    try:
        yield made
    finally:
        made.close()


@contextmanager
def sending(made: logging.Handler) -> Iterator[logging.Logger]:
    logger = logging.getLogger("wayside")
    logger.addHandler(made)
    try:
        yield logger
    finally:
        logger.removeHandler(made)
        made.close()


def stream_of(file: io.TextIOWrapper) -> dict[str, str]:
    found = os.fstat(file.fileno())
    return {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}


def test_a_message_has_its_fields(tmp_path: Path):
    with journal(tmp_path) as listening, sending(JournalHandler(listening.path, logging.NullHandler())) as logger:
        logger.warning("%s does not answer", "meter-1", extra={"device": "meter-1"})
        [fields] = listening.heard()
        assert fields["MESSAGE"] == "meter-1 does not answer" and fields["PRIORITY"] == "4"
        assert fields["WAYSIDE_DEVICE"] == "meter-1" and fields["SYSLOG_IDENTIFIER"] == "wayside"
        assert fields["CODE_FUNC"] == "test_a_message_has_its_fields" and "WAYSIDE_PART" not in fields
        try:
            raise ValueError("broken")
        except ValueError:
            logger.exception("it failed")
        [fields] = listening.heard()
        assert fields["PRIORITY"] == "3" and fields["MESSAGE"].startswith("it failed\n  Traceback ")
        assert fields["MESSAGE"].endswith("ValueError: broken")


@given(st.text())
def test_any_text_comes_printable_and_no_text_makes_another_field_or_another_message(text: str):
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"wayside-journal-{os.getpid()}"
    folder.unlink(missing_ok=True)
    listening = Journal(folder)
    try:
        with sending(JournalHandler(listening.path, logging.NullHandler())) as logger:
            logger.error("%s", text)
        [fields] = listening.heard()
        assert fields["MESSAGE"] == printable_lines(text).replace("\n", "\n  ") and fields["PRIORITY"] == "3"
        assert fields.keys() <= {"MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "WAYSIDE_MODULE"} | {
            f"CODE_{what}" for what in ("FILE", "LINE", "FUNC")
        }
    finally:
        listening.close()
        folder.unlink()


def test_a_journal_that_goes_and_comes_back_loses_nothing(tmp_path: Path):
    plain = io.StringIO()
    with journal(tmp_path) as first, sending(JournalHandler(first.path, logging.StreamHandler(plain))) as logger:
        logger.error("one")
        assert [fields["MESSAGE"] for fields in first.heard()] == ["one"]
        first.close()
        first.path.unlink()
        logger.error("two")
        assert plain.getvalue() == "two\n"
        with journal(tmp_path) as second:
            logger.error("three")
            assert [fields["MESSAGE"] for fields in second.heard()] == ["three"]


def test_no_text_begins_another_message_on_a_terminal():
    out = io.StringIO()
    with sending(handler({}, out, Path("/nowhere"))) as logger:
        logger.warning("node %s: bad", "a\x1b[2J\nERROR the log is lost\r\u202e")
    assert out.getvalue() == "WARNING node a\\x1b[2J\n  ERROR the log is lost\\r\\u202e: bad\n"


def test_plain_text_unless_stderr_is_the_journals_stream(tmp_path: Path):
    with journal(tmp_path) as listening, (tmp_path / "stderr").open("w") as stderr:
        for environment in ({}, {"JOURNAL_STREAM": "1:2"}, {"JOURNAL_STREAM": "nonsense"}):
            assert not isinstance(handler(environment, stderr, listening.path), JournalHandler)
        assert not isinstance(handler(stream_of(stderr), stderr, tmp_path / "no journal"), JournalHandler)
        with sending(handler(stream_of(stderr), stderr, listening.path)) as logger:
            logger.error("here")
        assert [fields["MESSAGE"] for fields in listening.heard()] == ["here"]


SITE = """
[site]
name = "test.example"
[[bus]]
name = "cabinet"
endpoint = "tcp://127.0.0.1:{port}"
[[bus.device]]
name = "meter-1"
unit = 1
profile = "eastron-sdm630"
poll_ms = 20
report_ms = 20
[[sink]]
name = "city"
kind = "mqtt"
url = "mqtt://127.0.0.1:{port}"
username = "gateway"
password_file = "password"
[[sink]]
name = "works"
kind = "webhook"
url = "http://127.0.0.1:{port}/in?token-is-not-here"
password_file = "password"
"""


def test_a_gateways_parts_say_who_they_are_and_tell_no_secret(tmp_path: Path):
    port = free_port()
    places = [f"{scheme}://127.0.0.1:{port}" for scheme in ("mqtt", "http")]
    content = "".join(f"for {place}\n" for place in places) + "s3cret-pass\n"
    secret_files.write(tmp_path / "site.toml", Role.PASSWORD, "password", content.encode())
    (tmp_path / "site.toml").write_text(SITE.format(port=port))

    async def scenario(listening: Journal) -> list[Fields]:
        heard: list[Fields] = []

        def parts() -> set[str]:
            heard.extend(listening.heard())
            return {fields.get("WAYSIDE_PART", "") for fields in heard}

        path = tmp_path / "site.toml"
        daemon = Daemon(config.load(path), path, SystemClock())
        running = asyncio.create_task(daemon.run())
        try:
            await until(lambda: parts() >= {"bus cabinet", "sink city", "sink works"})
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        return heard

    with journal(tmp_path) as listening, sending(JournalHandler(listening.path, logging.NullHandler())):
        heard = asyncio.run(scenario(listening))
    assert any(fields.get("WAYSIDE_DEVICE") == "meter-1" for fields in heard)
    seeds = [(tmp_path / "state" / f"{name}.key").read_bytes().hex() for name in ("identity", "log")]
    for secret in ["s3cret-pass", *seeds]:
        assert not any(secret in value for fields in heard for value in fields.values())

"""A gateway with two witnesses: real daemon, real HTTP, and an evidence file that a policy accepts."""

import asyncio
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from wayside.cli import main
from wayside.daemon.daemon import Daemon
from wayside.evidence.note import COSIGNATURE, ED25519, NoteKey, parse_checkpoint, parse_note
from wayside.kinds.cosigning import Cosigning
from wayside.log import LogReader, read_cosigned
from wayside.runtime.clock import SystemClock
from wayside.site import config
from wayside.trust.keys import SoftwareKey, load_or_create
from witness.setting import new_witness, real_now_s, serving, url

WITNESSES = {f"w.example/{number}": SoftwareKey(bytes([number]) * 32) for number in (1, 2)}
VKEYS = {name: str(NoteKey(name, COSIGNATURE, key.public)) for name, key in WITNESSES.items()}


class Site:
    """A folder with a site file and the witnesses that know its log."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.path = folder / "site.toml"
        self.log = folder / "state" / "log"
        (folder / "state").mkdir()
        self.key = load_or_create(folder / "state" / "log.key").public
        text = '[site]\nname = "test.example"\n[log]\ncosign_s = 1\n'
        logs = [NoteKey(f"test.example/log/{epoch}", ED25519, self.key) for epoch in range(4)]
        for number, (name, key) in enumerate(WITNESSES.items()):
            (folder / str(number)).mkdir()
            witness = new_witness(folder / str(number), *logs, key=key, name=name, now_s=real_now_s)
            server = stack.enter_context(serving(witness))
            text += f'[[witness]]\nname = "w{number}"\nurl = "{url(server)}"\nvkey = "{VKEYS[name]}"\n'
        self.path.write_text(text)

    def run_until_cosigned(self) -> None:
        async def scenario() -> None:
            daemon = Daemon(config.load(self.path), self.path, SystemClock())
            task = asyncio.create_task(daemon.run())
            [cosigning] = daemon.parts.of(Cosigning)
            async with asyncio.timeout(60):
                while not cosigning.size:
                    await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        asyncio.run(scenario())


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(tmp_path, stack)


def test_the_cosigned_checkpoint_is_kept_and_exported(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    site.run_until_cosigned()
    assert {each.name for each in parse_note(read_cosigned(site.log)).signatures} == {
        "test.example/log/0",
        *WITNESSES,
    }
    policy = tmp_path / "policy"
    lines = [f"witness w{number} {vkey}\n" for number, vkey in enumerate(VKEYS.values())]
    policy.write_text("".join(lines) + "group both all w0 w1\nquorum both\n")
    evidence = tmp_path / "evidence"
    assert main(["export", str(site.path), str(evidence), "--cosigned"]) == 0
    key = str(NoteKey("test.example/log/0", ED25519, site.key))
    judge = ["verify", str(evidence), "--key", key, "--policy", str(policy)]
    capsys.readouterr()
    assert main(judge) == 0
    assert re.search(r"co-signed by 2: w0 witnessed at 2026-\S+Z, w1 witnessed at 2026-", capsys.readouterr().out)
    third = NoteKey("w.example/3", COSIGNATURE, SoftwareKey(b"3" * 32).public)
    policy.write_text("".join(lines) + f"witness w2 {third}\ngroup all all w0 w1 w2\nquorum all\n")
    assert main(judge) == 1


def test_a_restored_card_begins_an_epoch_before_it_signs(site: Site, tmp_path: Path):
    site.run_until_cosigned()
    shutil.copytree(site.log, tmp_path / "copy")
    site.path.write_text(site.path.read_text() + "# another configuration is another entry\n")
    site.run_until_cosigned()
    assert parse_checkpoint(parse_note(read_cosigned(site.log))).origin == "test.example/log/0"
    shutil.rmtree(site.log)
    shutil.copytree(tmp_path / "copy", site.log)
    site.run_until_cosigned()
    log = LogReader(site.log)
    assert log.origin == "test.example/log/1"
    log.close()
    assert parse_checkpoint(parse_note(read_cosigned(site.log))).origin == "test.example/log/1"


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("url", "ftp://x", "submission prefix"),
        ("vkey", "x", "NAME+KEYID+BASE64"),
        ("vkey", str(NoteKey("log.example", ED25519, SoftwareKey(bytes(32)).public)), "key of a log"),
    ],
)
def test_a_site_file_with_a_wrong_witness_is_refused(key: str, value: str, problem: str, tmp_path: Path):
    witness = {"name": "w", "url": "https://w.example", "vkey": VKEYS["w.example/1"]} | {key: value}
    text = '[site]\nname = "test.example"\n[[witness]]\n' + "".join(f'{k} = "{v}"\n' for k, v in witness.items())
    (tmp_path / "site.toml").write_text(text)
    with pytest.raises(config.SiteFileError, match=problem.replace("+", r"\+")):
        config.load(tmp_path / "site.toml")


def test_status_tells_how_the_witnesses_stand(site: Site, capsys: pytest.CaptureFixture[str]):
    lost = NoteKey("w.example/3", COSIGNATURE, SoftwareKey(b"3" * 32).public)
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    text = site.path.read_text()
    site.path.write_text(f'{text}[[witness]]\nname = "w3"\nurl = "{nobody}"\nvkey = "{lost}"\n')

    async def scenario() -> None:
        daemon = Daemon(config.load(site.path), site.path, SystemClock())
        task = asyncio.create_task(daemon.run())
        [cosigning] = daemon.parts.of(Cosigning)
        async with asyncio.timeout(60):
            while not all(each.cosigned_ms or each.error for each in cosigning.standings.values()):
                await asyncio.sleep(0.01)
            status = asyncio.to_thread(main, ["status", str(site.path)])
            assert await status == 0
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())
    told = capsys.readouterr().out
    assert re.search(r"witness w.example/1: [1-9]\d* of \d+ entries co-signed, \d s ago\n", told)
    assert re.search(r"witness w.example/3: 0 of \d+ entries co-signed, never: w.example/3 cannot be reached", told)

"""A profile of the site's own: beside the site file, by name or by path, in run, check, read, scan, node and config."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from modbus.test_commands import Background
from site_daemon import entries, packs, running
from waiting import until
from wayside import profiles
from wayside.cli import main
from wayside.evidence.kinds import KeyBody
from wayside.lab.plant import Sdm630, answer_for, serve_tcp
from wayside.profiles import Library, ProfileError
from wayside.site import config
from wayside.site.change import check, check_bytes
from wayside.site.config import SiteFileError

SITE = """
[site]
name = "test.example"
state = "state"
[[bus]]
name = "cabinet"
endpoint = "tcp://127.0.0.1:{port}"
[[bus.device]]
name = "meter-1"
unit = 1
profile = "{profile}"
poll_ms = 50
report_ms = 50
"""
OWN = """
[profile]
name = "{name}"
title = "Cellar"
source = "the label inside its lid"
verified = "document"
[requests]
max_registers = 20
[registers]
area = "input"
type = "f32"
[[probe]]
address = 0x46
min = 45
max = 65
[channels]
cellar_voltage = {{ address = {address}, unit = "V", exponent = -1 }}
"""


def own(folder: Path, name: str = "cellar", address: int = 0) -> Path:
    file = folder / "profiles" / f"{name}.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(OWN.format(name=name, address=address))
    return file


def site(folder: Path, profile: str = "cellar", port: int = 1) -> Path:
    path = folder / "site.toml"
    path.write_text(SITE.format(port=port, profile=profile))
    return path


@pytest.mark.parametrize(
    "name", ["cellar", "profiles/cellar.toml", "./profiles/cellar.toml", "{}/profiles/cellar.toml"]
)
def test_by_name_and_by_path(tmp_path: Path, name: str) -> None:
    file = own(tmp_path)
    [device] = config.load(site(tmp_path, name.format(tmp_path))).bus[0].device
    assert set(device.found.profile.fields) == {"cellar_voltage"}
    assert device.found.path is not None and device.found.path.samefile(file)
    assert device.found.label.startswith("cellar@") and len(device.found.label) == len("cellar@") + 16


@pytest.mark.parametrize(
    ("profile", "complaint"),
    [
        ("cellars", 'site.toml:11: .*profile: unknown profile "cellars"; did you mean "cellar"'),
        ("profiles/cellars.toml", "cellars.toml: cannot be read"),
        ("profiles/cellar", 'a file whose name ends with ".toml"'),
        ("profiles/folder.toml", 'a file whose name ends with ".toml"'),
        ("secrets/passwords/x.toml", "the folder secrets is for other files"),
        ("broken", "profiles/broken.toml:13: .*unknown key"),
        ("misnamed", 'profile.name: is "cellar"; write "misnamed"'),
        ("sunspec", "means a device that is asked"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path: Path, profile: str, complaint: str) -> None:
    file = own(tmp_path)
    (tmp_path / "profiles" / "folder.toml").mkdir()
    (tmp_path / "profiles" / "broken.toml").write_text(file.read_text().replace("address = 0x46", "adress = 0x46"))
    (tmp_path / "profiles" / "misnamed.toml").write_text(file.read_text())
    if profile == "sunspec":
        own(tmp_path, "sunspec")
    with pytest.raises(SiteFileError, match=complaint):
        config.load(site(tmp_path, profile))


def test_an_unknown_one_names_the_folder_and_not_every_other(tmp_path: Path) -> None:
    with pytest.raises(SiteFileError) as error:
        config.load(site(tmp_path, "zzz"))
    said = str(error.value)
    assert f"one of your own would be {tmp_path}/profiles/zzz.toml; `wayside profile list` shows all" in said
    assert "known:" not in said


def test_lint_refuses_a_file_whose_name_no_site_could_use(tmp_path: Path, capsys: Any) -> None:
    file = own(tmp_path).rename(tmp_path / "profiles" / "other.toml")
    assert main(["profile", "lint", str(file)]) == 1
    told = capsys.readouterr()
    assert 'profile.name: is "cellar"; write "other", or rename the file' in told.err and "good" not in told.out
    elsewhere = file.rename(tmp_path / "other.toml")
    assert main(["profile", "lint", str(elsewhere)]) == 0, "that one is named by its path"


def test_check_says_which_file_a_name_means(tmp_path: Path, capsys: Any) -> None:
    own(tmp_path)
    assert main(["check", str(site(tmp_path))]) == 0
    assert f'profile "cellar" is {tmp_path}/profiles/cellar.toml: 1 channels, cellar@' in capsys.readouterr().out
    # A later Wayside may bring a profile of the same name: the site's own still means what it meant.
    own(tmp_path, "eastron-sdm630")
    assert main(["check", str(site(tmp_path, "eastron-sdm630"))]) == 0
    assert "instead of the one of this name that comes with Wayside" in capsys.readouterr().out
    assert set(Library(tmp_path).load("eastron-sdm630").fields) == {"cellar_voltage"}
    assert "voltage_l1" in Library().load("eastron-sdm630").fields


def test_another_content_is_another_setting(tmp_path: Path) -> None:
    own(tmp_path)
    before, same = config.load(site(tmp_path)), config.load(site(tmp_path))
    own(tmp_path, address=2)
    after = config.load(site(tmp_path))
    assert before.bus == same.bus and before.bus != after.bus
    assert before.bus[0].device[0].found.label != after.bus[0].device[0].found.label


def test_a_candidate_is_judged_where_it_will_stand(tmp_path: Path) -> None:
    place, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    place.mkdir(), elsewhere.mkdir()
    own(place)
    path, candidate = site(place), site(elsewhere, port=2)
    assert check(path, candidate).bus[0].device[0].found.label.startswith("cellar@")
    assert check_bytes(path, candidate.read_bytes())
    with pytest.raises(SiteFileError, match="unknown profile"):
        config.load(candidate)


def test_run_polls_by_it_and_the_log_says_which(tmp_path: Path) -> None:
    own(tmp_path)

    async def scenario() -> None:
        async with (
            serve_tcp(answer_for({1: Sdm630(1)})) as port,
            running(tmp_path, SITE.format(port=port, profile="cellar")) as daemon,
        ):
            await until(lambda: daemon.intake.counters["packs"] > 3)

    asyncio.run(scenario())
    [first, *_] = packs(tmp_path, "meter-1")
    assert {reading.channel.partition(".")[0] for reading in first.readings} == {"cellar_voltage"}
    assert all(reading.quality == 0 for reading in first.readings)


def test_a_changed_profile_is_taken_up_and_logged(tmp_path: Path) -> None:
    own(tmp_path)

    def labels() -> list[str]:
        keys = [entry.body for entry in entries(tmp_path) if isinstance(entry.body, KeyBody)]
        return [key.profiles["meter-1"] for key in keys if key.profiles]

    async def scenario() -> None:
        async with (
            serve_tcp(answer_for({1: Sdm630(1)})) as port,
            running(tmp_path, SITE.format(port=port, profile="cellar")) as daemon,
        ):
            path = tmp_path / "site.toml"
            await until(lambda: daemon.intake.counters["packs"] > 3)
            assert await daemon.apply(config.load(path), path.read_bytes()) == []
            own(tmp_path, address=2)
            assert await daemon.apply(config.load(path), path.read_bytes()) == ["bus cabinet", "watch over bus cabinet"]
            before = daemon.intake.counters["packs"]
            await until(lambda: daemon.intake.counters["packs"] > before + 3)

    asyncio.run(scenario())
    first, second = labels()
    assert first != second and first.startswith("cellar@") and second.startswith("cellar@")


def test_read_scan_and_node_know_it(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    file = own(tmp_path)
    own(tmp_path, "broken").write_text("[profile")
    with Background(lambda: serve_tcp(answer_for({1: Sdm630(1)}))) as port:
        path = site(tmp_path, port=port)
        assert main(["read", "meter-1", "--site", str(path)]) == 0
        assert "cellar_voltage" in capsys.readouterr().out
        endpoint = f"tcp://127.0.0.1:{port}"
        for words in (["cellar", "--site", str(path)], [str(file)]):
            assert main(["read", endpoint, "--profile", *words]) == 0
            assert "cellar_voltage" in capsys.readouterr().out
        monkeypatch.chdir(tmp_path)
        assert main(["scan", f"127.0.0.1:{port}", "--units", "1", "--timeout-ms", "1000"]) == 0
        told = capsys.readouterr()
        assert "cellar" in told.out and "broken.toml:1: is not TOML" in told.err
    for name in ("cellar", "profiles/cellar.toml"):
        assert main(["profile", "node", name]) == 0
        assert json.loads(capsys.readouterr().out)["channels"][0][0] == "cellar_voltage"
    assert main(["profile", "list"]) == 1, "one of them is broken"
    assert "cellar" in capsys.readouterr().out


def test_a_profile_without_checks_fits_nothing(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    file = own(tmp_path)
    file.write_text(file.read_text().replace("[[probe]]\naddress = 0x46\nmin = 45\nmax = 65\n", ""))
    assert profiles.load_file(file).probe == ()
    monkeypatch.chdir(tmp_path)
    with Background(lambda: serve_tcp(answer_for({1: Sdm630(1)}))) as port:
        assert main(["scan", f"127.0.0.1:{port}", "--units", "1", "--timeout-ms", "1000"]) == 0
    assert "cellar" not in capsys.readouterr().out


def test_without_a_site_there_are_no_paths() -> None:
    with pytest.raises(ProfileError, match="a path starts at a site file"):
        Library().load("profiles/x.toml")

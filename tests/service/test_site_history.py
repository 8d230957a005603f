"""A site file is changed whole, with a way back: versions, trials that a power cut interrupts, what differs."""

import json
import tomllib
from pathlib import Path

import pytest
from wayside.cli import main
from wayside.site import config
from wayside.site.config import SiteFile
from wayside.site.history import HistoryError, SiteHistory

ONE = b'[site]\nname = "test.example"\n'
TWO = ONE + b"[log]\ncommit_ms = 20\n"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.toml"
    path.write_bytes(ONE)
    return path


def test_what_is_there_already_is_not_kept_twice(site: Path):
    history = SiteHistory(site)
    assert history.keep(ONE) == history.keep(ONE)
    history.keep(TWO)
    assert [version.number for version in history.versions()] == [1, 2]
    assert history.read(2) == TWO
    with pytest.raises(HistoryError, match="version 3 is not kept"):
        history.read(3)


def test_only_the_last_hundred_are_kept(site: Path):
    history = SiteHistory(site)
    for number in range(103):
        history.keep(ONE + b"#" * number)
    assert [version.number for version in history.versions()] == list(range(4, 104))


def test_a_trial_ends_with_the_new_or_the_old_file(site: Path):
    history = SiteHistory(site)
    history.put_on_trial(TWO, needs_sink=False)
    assert site.read_bytes() == TWO
    with pytest.raises(HistoryError, match="on trial already"):
        history.put_on_trial(ONE, needs_sink=False)
    trial = history.trial()
    assert trial
    history.fail(trial, "the port is taken")
    assert site.read_bytes() == ONE and history.trial() is None
    assert [version.failed for version in history.versions()] == ["", "the port is taken"]
    history.put_on_trial(TWO, needs_sink=False)
    history.accept()
    assert site.read_bytes() == TWO and history.trial() is None


def test_a_version_that_takes_the_process_with_it_fails(site: Path):
    history = SiteHistory(site)
    history.put_on_trial(TWO, needs_sink=False)
    assert history.start_trial() and history.start_trial()
    assert history.start_trial() is None
    assert site.read_bytes() == ONE
    assert history.versions()[-1].failed == "the gateway ended 2 times before it was up"


def test_stopping_the_gateway_is_no_failure(site: Path):
    history = SiteHistory(site)
    history.put_on_trial(TWO, needs_sink=False)
    for _ in range(5):
        trial = history.start_trial()
        assert trial
        history.interrupt(trial)


@pytest.mark.parametrize("write", range(1, 6))
def test_power_may_fail_at_every_write(site: Path, monkeypatch: pytest.MonkeyPatch, write: int):
    """Whatever was written by then, the site file is one of the two, and a trial names a way back."""
    history = SiteHistory(site)
    replaced = 0
    real = Path.replace

    def replace(path: Path, target: Path) -> Path:
        nonlocal replaced
        replaced += 1
        if replaced == write:
            raise KeyboardInterrupt
        return real(path, target)

    monkeypatch.setattr(Path, "replace", replace)
    try:
        history.put_on_trial(TWO, needs_sink=False)
        trial = history.trial()
        assert trial
        history.fail(trial, "why")
    except KeyboardInterrupt:
        pass
    monkeypatch.setattr(Path, "replace", real)
    assert site.read_bytes() in (ONE, TWO)
    trial = SiteHistory(site).trial()
    if site.read_bytes() == ONE:
        assert trial is None
    else:
        assert trial and history.read(trial.before) == ONE


def test_diff_says_what_changes_and_not_what_only_looks_different(site: Path, tmp_path: Path, capsys):  # type: ignore[no-untyped-def]
    new = tmp_path / "new.toml"
    new.write_bytes(TWO + b'[[sink]]\nname = "city"\nkind = "mqtt"\nurl = "mqtt://127.0.0.1"\n')
    assert main(["config", "diff", str(site), str(new)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "~ log.commit_ms = 50 -> 20",
        "+ sink.city.kind = 'mqtt'",
        "+ sink.city.name = 'city'",
        "+ sink.city.url = 'mqtt://127.0.0.1'",
    ]
    new.write_bytes(b"# a comment\n" + ONE)
    assert main(["config", "diff", str(site), str(new)]) == 0
    assert capsys.readouterr().out == "nothing differs but text\n"


def test_a_failed_version_that_is_put_in_place_by_hand_is_named(site: Path, capsys):  # type: ignore[no-untyped-def]
    history = SiteHistory(site)
    history.put_on_trial(TWO, needs_sink=False)
    trial = history.trial()
    assert trial
    history.fail(trial, "no sink")
    site.write_bytes(TWO)
    assert main(["config", "history", str(site)]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[1].endswith("put in place again by hand; did not come up: no sink")
    assert not told.err


def test_apply_without_a_gateway(site: Path, tmp_path: Path, capsys):  # type: ignore[no-untyped-def]
    new = tmp_path / "new.toml"
    new.write_bytes(ONE)
    assert main(["config", "apply", str(site), str(new)]) == 0
    assert capsys.readouterr().out == "nothing changes\n" and not site.with_name("site.toml.history").exists()
    new.write_bytes(ONE + b"colour = 1\n")
    assert main(["config", "apply", str(site), str(new)]) == 2
    assert "new.toml:3: site.colour: unknown key" in capsys.readouterr().err and site.read_bytes() == ONE
    new.write_bytes(b'[site]\nname = "other.example"\n')
    assert main(["config", "apply", str(site), str(new)]) == 2
    assert "is another site" in capsys.readouterr().err
    new.write_bytes(TWO)
    assert main(["config", "apply", str(site), str(new)]) == 0
    assert "its next start is the trial" in capsys.readouterr().out and site.read_bytes() == TWO
    assert main(["config", "history", str(site)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 2 and told[1].endswith("on trial")


def test_rollback_without_a_version_before(site: Path, capsys):  # type: ignore[no-untyped-def]
    assert main(["config", "rollback", str(site)]) == 2
    assert "no version before" in capsys.readouterr().err


def test_the_schema_takes_the_example_and_refuses_what_check_refuses(capsys):  # type: ignore[no-untyped-def]
    jsonschema = pytest.importorskip("jsonschema")
    assert main(["config", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    check = jsonschema.Draft202012Validator(schema)
    check.check_schema(schema)
    example = tomllib.loads((ROOT / "docs" / "site.example.toml").read_text())
    check.validate(example)
    for wrong in ({"colour": 1}, {"log": {"commit_ms": 0}}, {"sink": [{"name": "a", "kind": "carrier-pigeon"}]}):
        assert not check.is_valid({**example, **wrong})
        with pytest.raises(ValueError):
            SiteFile.model_validate({**example, **wrong})
    assert config.load(ROOT / "docs" / "site.example.toml")


def test_exactly_one_version_is_in_force_whatever_came_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "site.toml"
    path.write_bytes(b"one")
    history = SiteHistory(path)

    def in_force() -> list[int]:
        assert main(["config", "history", str(path)]) == 0
        return [int(line.split()[0]) for line in capsys.readouterr().out.splitlines() if line.endswith("in force")]

    for data, version in ((b"two", 2), (b"one", 3), (b"two", 4)):
        history.put_on_trial(data, needs_sink=False)
        assert in_force() == []
        history.accept()
        assert in_force() == [version]
    history.put_on_trial(b"one", needs_sink=False)
    failed = history.trial()
    assert failed is not None
    history.fail(failed, "it did not")
    assert in_force() == [4]
    path.write_bytes(b"by hand")
    assert main(["config", "history", str(path)]) == 0
    told = capsys.readouterr()
    assert "changed by hand" in told.err and "in force" not in told.out

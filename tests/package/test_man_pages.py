"""The manual pages and the completion say what the command line says."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import deb  # noqa: E402  (tools/ are scripts, no package)
import man_pages  # noqa: E402
from wayside import cli  # noqa: E402

PAGES = man_pages.pages(0)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_sound(name: str, tmp_path: Path):
    if not shutil.which("groff"):
        pytest.skip("groff is not here")
    words = ["groff", "-man", "-Tutf8", "-ww", "-z", "-k"]
    done = subprocess.run(words, input=PAGES[name], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_command_and_every_option_has_its_place():
    page = PAGES["wayside.1"].replace("\\-", "-")
    for command in cli.COMMANDS:
        assert f".SS wayside {command}\n" in page
    for words in ("wayside config rollback", "wayside signals monitor", "--signer", "--passphrase-file"):
        assert words in page
    assert "\\fB\\fB" not in page and "`" not in page


def completed(script: Path, *words: str) -> set[str]:
    """What bash offers after these words."""
    ask = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shtab_wayside wayside "${@: -1}"'
    ask += '; echo "${COMPREPLY[*]}"'
    done = subprocess.run(["bash", "-c", ask, script, *words], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_bash_completes_commands_verbs_and_options(tmp_path: Path):
    script = tmp_path / "wayside"
    script.write_text(deb.completion())
    assert completed(script, "wayside", "") >= set(cli.COMMANDS)
    assert completed(script, "wayside", "su") == {"support-bundle"}
    assert completed(script, "wayside", "signals", "mo") == {"monitor"}
    assert completed(script, "wayside", "keys", "rotate", "site.toml", "") >= {"identity", "log"}
    assert "--signer" in completed(script, "wayside", "signals", "monitor", "--s")


def test_the_site_file_is_shown_whole():
    example = (ROOT / "docs" / "site.example.toml").read_text()
    shown = PAGES["wayside-site.toml.5"].replace("\\-", "-").replace("\\e", "\\").replace("\\&", "")
    assert example.strip() in shown


def test_a_line_that_begins_like_a_request_is_text():
    assert man_pages._text(".so is no request, `-x` is a word") == "\\&.so is no request, \\fB\\-x\\fP is a word"

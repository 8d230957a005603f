"""The checkout of micropython-lib that a build may use: the pinned content or none."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import images  # noqa: E402  (tools/ are scripts, no package)
import mpylib  # noqa: E402


def checkout(folder: Path) -> Path:
    """Something that has the packages' names."""
    for package in mpylib.PACKAGES:
        (folder / package).mkdir(parents=True)
        (folder / package / "manifest.py").write_text("# other content\n")
    return folder


def test_without_a_checkout_the_board_is_skipped_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(mpylib.VARIABLE, raising=False)
    with pytest.raises(mpylib.LibraryError, match=f"name a checkout of commit {mpylib.COMMIT[:12]} in MPY_LIB_DIR"):
        mpylib.checkout()
    assert images.main(["RP2040_RADIO"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("RP2040_RADIO: not built: ") and len(said.splitlines()) == 1


def test_a_folder_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(mpylib.VARIABLE, str(tmp_path))
    with pytest.raises(mpylib.LibraryError, match="it is no checkout of micropython-lib"):
        mpylib.checkout()


def test_other_content_is_refused_with_both_hashes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(mpylib.VARIABLE, str(checkout(tmp_path)))
    with pytest.raises(mpylib.LibraryError, match=f"SHA-256 [0-9a-f]{{64}}, pinned is {mpylib.SHA256}"):
        mpylib.checkout()


def test_the_hash_is_of_names_and_contents(tmp_path: Path) -> None:
    top = checkout(tmp_path)
    before = mpylib._sha256(top)
    module = top / mpylib.PACKAGES[0] / "lora" / "modem.py"
    module.parent.mkdir()
    module.write_text("x = 1\n")
    changed = mpylib._sha256(top)
    module.rename(module.with_name("other.py"))
    assert len({before, changed, mpylib._sha256(top)}) == 3


def test_only_what_is_pinned_gets_into_a_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    top = checkout(tmp_path / "checkout")
    (top / "python-stdlib").mkdir()
    monkeypatch.setenv(mpylib.VARIABLE, str(top))
    monkeypatch.setattr(mpylib, "SHA256", mpylib._sha256(top))
    copy = mpylib.copy_into(tmp_path / "copy")
    assert {path.name for path in copy.iterdir()} == {"README.md", "micropython"}


def test_boards_that_require_something_are_known() -> None:
    assert mpylib.is_needed(ROOT / "boards" / "RP2040_RADIO") and not mpylib.is_needed(ROOT / "boards" / "RP2040_METER")

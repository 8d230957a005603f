"""The boards' definitions fit together, and what stands beside an image describes it."""

import ast
import hashlib
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BOARDS = sorted(path.parent for path in (ROOT / "boards").glob("*/board.json"))


@pytest.fixture
def images(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """tools/images.py with a dist/ of its own."""
    monkeypatch.syspath_prepend(ROOT / "tools")
    spec = importlib.util.spec_from_file_location("images", ROOT / "tools" / "images.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "DIST", tmp_path)
    return module


def _interface(board: Path) -> dict[str, list[str]]:
    tree = ast.parse((board / "board.py").read_text())
    return {
        item.name: [argument.arg for argument in item.args.args]
        for item in tree.body
        if isinstance(item, ast.FunctionDef) and not item.name.startswith("_")
    }


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_board_module_offers_what_the_virtual_one_does(board: Path) -> None:
    wanted = _interface(ROOT / "boards" / "UNIX")
    offered = _interface(board)
    assert {name: offered.get(name) for name in wanted} == wanted
    assert f'NAME = "{board.name}"' in (board / "board.py").read_text()


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_board_has_the_files_of_an_upstream_board(board: Path) -> None:
    assert json.loads((board / "board.json").read_text())["product"].endswith(board.name)
    assert f'"Wayside {board.name}"' in (board / "mpconfigboard.h").read_text()
    for name in ("mpconfigboard.cmake", "manifest.py", "pins.csv", "wiring.md"):
        assert (board / name).stat().st_size, name


def test_hashes_manifest_and_materials_name_the_image(images: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "_compiler", lambda: "a compiler")
    monkeypatch.setattr(images, "_mbedtls_version", lambda: "3.6.6")
    monkeypatch.setattr(images.sources, "archive_sha256", lambda source: source.sha256 or "ab" * 32)
    monkeypatch.delenv("MICROPY_DIR", raising=False)
    path = images._write("RP2040_METER", images.Build(b"image", {"asyncio/core.mpy": {"bytes": 3}}))
    digest = hashlib.sha256(b"image").hexdigest()
    for line in (path.parent / "RP2040_METER.sha256").read_text().splitlines():
        found, name = line.split("  ")
        assert found == hashlib.sha256((path.parent / name).read_bytes()).hexdigest()
    manifest = json.loads((path.parent / "RP2040_METER.manifest.json").read_text())
    assert manifest["image"] == {"file": "RP2040_METER.uf2", "bytes": 5, "sha256": digest}
    assert "firmware/wayside_node/app.py" in manifest["files"]
    assert "firmware/native/ed25519.c" in manifest["files"]
    assert manifest["frozen"] == {"asyncio/core.mpy": {"bytes": 3}}
    materials = json.loads((path.parent / "RP2040_METER.cdx.json").read_text())
    assert materials["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": digest}]
    assert {part["name"] for part in materials["components"]} >= {"micropython", "mbedtls", "pymonocypher"}
    assert all(len(part["hashes"][0]["content"]) == 64 for part in materials["components"])


@pytest.fixture
def builds(images: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The boards that were really built: with a cache of its own and a builder that makes no image."""
    built: list[str] = []

    def build(board: str) -> object:
        built.append(board)
        return images.Build(b"image", {})

    monkeypatch.delenv("MICROPY_DIR", raising=False)
    monkeypatch.setattr(images.sources, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(images.sources, "archive_sha256", lambda source: "ab" * 32)
    monkeypatch.setattr(images.shutil, "which", lambda program: program)
    monkeypatch.setattr(images, "_compiler", lambda: "a compiler")
    monkeypatch.setattr(images, "_mbedtls_version", lambda: "3.6.6")
    monkeypatch.setattr(images, "_build_rp2", build)
    return built


def test_builds_only_what_has_changed(images: ModuleType, builds: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert images.main(["RP2040_METER"]) == images.main(["RP2040_METER"]) == 0
    assert builds == ["RP2040_METER"]
    monkeypatch.setattr(images, "_compiler", lambda: "another compiler")
    assert images.main(["RP2040_METER"]) == 0
    assert len(builds) == 2


def test_every_file_of_ours_is_in_the_key(images: ModuleType, builds: list[str]) -> None:
    before = images._key("RP2040_METER")
    for path in images._ours("RP2040_METER"):
        assert path.is_relative_to(ROOT)
    whole = images._files
    images._files = lambda paths: whole(paths) | {"firmware/wayside_node/app.py": "changed"}
    assert images._key("RP2040_METER") != before


def test_twice_finds_a_build_that_differs(
    images: ModuleType, builds: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert images.main(["--twice", "RP2040_METER"]) == 0
    assert len(builds) == 2
    assert "the same twice" in capsys.readouterr().out
    monkeypatch.setattr(images, "_build_rp2", lambda board: images.Build(b"other image", {}))
    assert images.main(["--twice", "RP2040_METER"]) == 1
    assert "two builds differ" in capsys.readouterr().err


def test_says_what_is_missing_for_esp32(images: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDF_PATH", "")  # as a script that lacks it leaves it
    with pytest.raises(images.MissingError, match="ESP-IDF"):
        images.build("ESP32_METER")


def test_names_the_packages_of_a_missing_compiler(images: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images.shutil, "which", lambda program: None)
    with pytest.raises(images.MissingError, match="apt-get install -y gcc-arm-none-eabi"):
        images.build("RP2040_METER")


def test_an_unknown_board_is_refused(images: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert images.main(["NO_SUCH"]) == 2
    assert "no such board" in capsys.readouterr().err

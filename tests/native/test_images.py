"""The boards' definitions fit together, and what stands beside an image describes it."""

import ast
import hashlib
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BOARDS = sorted(path.parent for path in (ROOT / "boards").glob("*/board.json"))

# For sensors, where the board has pins for them; for a network, where it has one; for what an update may replace.
OPTIONAL = {"open_adc", "open_i2c", "open_pin", "name_servers", "set_clock", "trial"}


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


def _interface(module: Path) -> dict[str, list[str]]:
    """{function: arguments}, with what it takes from the module of its family (boards/rp2040.py and alike)."""
    tree = ast.parse(module.read_text())
    offered = {}
    for item in tree.body:
        if isinstance(item, ast.ImportFrom) and (family := ROOT / "boards" / f"{item.module}.py").exists():
            theirs = _interface(family)
            offered |= {name.name: theirs[name.name] for name in item.names if name.name in theirs}
        if isinstance(item, ast.FunctionDef) and not item.name.startswith("_"):
            offered[item.name] = [argument.arg for argument in item.args.args]
    return offered


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_board_module_offers_what_the_virtual_one_does(board: Path) -> None:
    wanted = _interface(ROOT / "boards" / "UNIX" / "board.py")
    offered = _interface(board / "board.py")
    for name, arguments in wanted.items():
        assert offered.get(name, arguments if name in OPTIONAL else None) == arguments, name
    assert f'NAME = "{board.name}"' in (board / "board.py").read_text()


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_board_has_the_files_of_an_upstream_board(board: Path) -> None:
    assert json.loads((board / "board.json").read_text())["product"].endswith(board.name)
    assert f'"Wayside {board.name}"' in (board / "mpconfigboard.h").read_text()
    for name in ("mpconfigboard.cmake", "manifest.py", "pins.csv", "wiring.md"):
        assert (board / name).stat().st_size, name


def test_hashes_manifest_and_materials_name_the_image(images: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images.rp2040_image, "compiler", lambda: "a compiler")
    monkeypatch.setattr(images.rp2040_image, "_mbedtls_version", lambda: "3.6.6")
    debian = images.sources.DebianSource  # which of its accepted archives it was is known when it is here
    digest_of = images.sources.archive_sha256
    told = lambda source: "ab" * 32 if isinstance(source, debian) else digest_of(source)  # noqa: E731
    monkeypatch.setattr(images.sources, "archive_sha256", told)
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

    def build(board: str, elsewhere: bool = False) -> object:
        built.append(board)
        return images.Build(b"image", {})

    monkeypatch.delenv("MICROPY_DIR", raising=False)
    monkeypatch.setattr(images.sources, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(images.sources, "archive_sha256", lambda source: "ab" * 32)
    monkeypatch.setattr(images.rp2040_image, "check", lambda board: None)
    monkeypatch.setattr(images.rp2040_image, "compiler", lambda: "a compiler")
    monkeypatch.setattr(images.rp2040_image, "_mbedtls_version", lambda: "3.6.6")
    monkeypatch.setattr(images.rp2040_image, "build", build)
    return built


def test_builds_only_what_has_changed(images: ModuleType, builds: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert images.main(["RP2040_METER"]) == images.main(["RP2040_METER"]) == 0
    assert builds == ["RP2040_METER"]
    with monkeypatch.context() as without:
        without.delattr(images.sources, "locked")
        assert images.main(["RP2040_METER"]) == 0, "what is there waits for no other build"
    monkeypatch.setattr(images.rp2040_image, "compiler", lambda: "another compiler")
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
    monkeypatch.setattr(images.rp2040_image, "build", lambda *board, **elsewhere: images.Build(b"other image", {}))
    assert images.main(["--twice", "RP2040_METER"]) == 1
    assert "two builds differ" in capsys.readouterr().err


def test_names_the_packages_of_a_missing_compiler(images: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images.rp2040_image.shutil, "which", lambda program: None)
    with pytest.raises(images.MissingError, match="apt-get install -y gcc-arm-none-eabi"):
        images.build("RP2040_METER")


@pytest.fixture
def idf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with an idf.py that writes down how it was called, and fails: ESP-IDF itself is not here."""
    script = tmp_path / "idf" / "idf.py"
    script.parent.mkdir()
    script.write_text(
        f"#!{sys.executable}\n"
        "import json, os, sys\n"
        "if '--version' in sys.argv:\n"
        "    sys.exit(print('ESP-IDF', os.environ['IDF_TOLD']))\n"
        f"json.dump([sys.argv[1:], dict(os.environ)], open({str(tmp_path / 'called')!r}, 'w'))\n"
        "sys.exit('this is no ESP-IDF')\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:/usr/bin:/bin")
    monkeypatch.setenv("IDF_PATH", str(script.parent))
    monkeypatch.setenv("IDF_TOLD", "v5.2.2")
    return script.parent


def upstream(folder: Path) -> Path:
    """What a build looks at in a checkout of MicroPython."""
    for name, text in {
        "lib/berkeley-db-1.xx/README": "",
        "ports/esp32/makeimg.py": "",
        "mpy-cross/Makefile": "all:\n",
        "py/mpconfig.h": "#define MICROPY_VERSION_MAJOR 1\n#define MICROPY_VERSION_MINOR 25\n"
        "#define MICROPY_VERSION_MICRO 0\n",
    }.items():
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(text)
    return folder


def test_says_in_one_line_what_is_missing_for_esp32(
    images: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, idf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def lack() -> str:
        assert images.main(["ESP32_METER"]) == 1
        said = capsys.readouterr()
        assert not said.err and said.out.count("\n") == 1
        return said.out

    monkeypatch.delenv("MICROPY_DIR", raising=False)
    assert "upstream checkout of MicroPython" in lack()
    monkeypatch.setenv("MICROPY_DIR", str(tmp_path))  # as Debian's source: without that library
    assert "berkeley-db" in lack()
    monkeypatch.setenv("IDF_TOLD", "v5.5-dev-1")
    assert "this ESP-IDF is 5.5; MicroPython 1.25 builds with 5.2, 5.3 or 5.4" in lack()
    monkeypatch.setenv("IDF_TOLD", "nonsense")
    assert "of no known version" in lack()
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert f". {idf}/export.sh" in lack()
    monkeypatch.setenv("IDF_PATH", "")  # as a script that lacks it leaves it
    assert "ESP-IDF is not here" in lack()
    monkeypatch.delenv("IDF_PATH")
    assert "ESP-IDF is not here" in lack()


def test_esp_idf_is_called_with_our_board_and_our_c_module(
    images: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, idf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command alone: no ESP32 image was built where this was written."""
    top = upstream(tmp_path / "upstream")
    monkeypatch.setenv("MICROPY_DIR", str(top))
    monkeypatch.setattr(images.sources, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(images.sources, "get", lambda source: tmp_path / source.name)
    assert images.main(["ESP32_METER"]) == 1
    assert "idf.py -C" in (said := capsys.readouterr().err) and "this is no ESP-IDF" in said
    words, environment = json.loads((tmp_path / "called").read_text())
    assert words[:2] == ["-C", str(top / "ports" / "esp32")] and words[2] == "-B" and words[-1] == "build"
    assert set(words[4:-1]) == {
        "-DMICROPY_BOARD=ESP32_METER",
        f"-DMICROPY_BOARD_DIR={ROOT / 'boards' / 'ESP32_METER'}",
        f"-DUSER_C_MODULES={ROOT / 'firmware' / 'native' / 'micropython.cmake'}",
        f"-DMONOCYPHER_DIR={tmp_path / 'pymonocypher'}",
    }
    assert environment["MICROPY_GIT_TAG"] == "v1.25.0" and environment["SOURCE_DATE_EPOCH"].isdigit()
    assert not list((tmp_path / "cache").glob(".image-*"))


def test_what_stands_beside_an_esp32_image(
    images: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, idf: Path
) -> None:
    monkeypatch.setenv("MICROPY_DIR", str(upstream(tmp_path / "upstream")))
    path = images._write("ESP32_METER", images.Build(b"image", {}))
    assert path.name == "ESP32_METER.bin"
    manifest = json.loads((path.parent / "ESP32_METER.manifest.json").read_text())
    assert manifest["image"]["file"] == path.name and manifest["compiler"] == "ESP-IDF 5.2.2"
    materials = json.loads((path.parent / "ESP32_METER.cdx.json").read_text())
    versions = {part["name"]: part["version"] for part in materials["components"]}
    assert versions["esp-idf"] == "5.2.2" and versions["micropython"] == "1.25.0"


def test_an_unknown_board_is_refused(images: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert images.main(["NO_SUCH"]) == 2
    assert "no such board" in capsys.readouterr().err

"""The bench in somebody else's project: from its wheel, without our packages, on upstream's MicroPython."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest
from emulated import skip_without_emulator

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def stock_image() -> Path:
    made = subprocess.run([sys.executable, ROOT / "tools" / "stock_image.py"], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"upstream's image cannot be built here: {made.stderr.strip().splitlines()[-1]}")
    skip_without_emulator()
    return Path(made.stdout.strip())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples beside a virtual environment with the wheel, and with what this one has from registries."""
    folder = tmp_path_factory.mktemp("stranger")
    source = folder / "source"
    subprocess.run(["cp", "-r", ROOT / "hil", source], check=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = ["wheel", "--no-index", "--no-build-isolation", "--no-deps", "--wheel-dir", folder, source]
    subprocess.run([*pip, *build], check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    (wheel,) = folder.glob("wayside_hil-*.whl")
    install = ["--python", folder / "venv" / "bin" / "python", "install", "--no-index", "--no-deps", wheel]
    subprocess.run([*pip, *install], check=True)
    (places,) = folder.glob("venv/lib/python*/site-packages")
    # What lies there is imported; what is only linked from there, such as ours, is not.
    (places / "registry.pth").write_text(f"{Path(pytest.__file__).resolve().parents[1]}\n")
    return folder


@pytest.fixture
def run(project: Path, tmp_path: Path) -> Run:
    """pytest as a stranger calls it, in the folder of his tests."""

    def pytest_with(*words: str | Path) -> "subprocess.CompletedProcess[str]":
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "WAYSIDE_CACHE") if name in os.environ}
        command = [project / "venv" / "bin" / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        return subprocess.run(
            [*command, "--basetemp", tmp_path / "base", *words],
            cwd=project / "source" / "examples",
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
        )

    return pytest_with


def test_nothing_of_ours_comes_with_it(project: Path) -> None:
    modules = "coverage, dut, fixtures, plugin, qemu, scenario"
    words = f"import sys; from wayside_hil import {modules}; print(*sys.modules)"
    loaded = subprocess.check_output([project / "venv" / "bin" / "python", "-c", words], text=True, cwd="/")
    assert not {"wayside", "wayside_wire", "sources", "virtual_board"} & set(loaded.split())


def test_the_same_lamp_and_prompt_on_the_unix_port(run: Run, micropython: Path) -> None:
    ran = run("blink", "two", "--target", "unix", "--unix", micropython)
    assert ran.returncode == 0 and "3 passed" in ran.stdout and "warning" not in ran.stdout, ran.stdout + ran.stderr


def test_a_lamp_a_line_and_a_power_cut(run: Run, stock_image: Path, tmp_path: Path) -> None:
    words = ["blink", "uart", "saver", "-k", "blinks or is_read or 1-350", f"--image={stock_image}"]
    page, vcd, report = tmp_path / "page.html", tmp_path / "vcd", tmp_path / "junit.xml"
    ran = run(*words, "--bench-html", page, "--vcd", vcd, "--junitxml", report)
    assert ran.returncode == 0 and "3 passed" in ran.stdout, ran.stdout + ran.stderr
    files = [path.read_text() for path in vcd.glob("*.vcd")]
    assert len(files) == 3 and any("_rx_byte $end" in text for text in files), "the thermometer's answers are in it"
    text = page.read_text()
    assert "lamp 1" in text and text.count("<svg") == 3 and "3 passed" in text
    assert "src=" not in text and "href=" not in text
    cases = ElementTree.parse(report).iter("testcase")
    told = [{each.get("name") for each in case.iter("property")} for case in cases]
    assert all({"board.seconds", "board.console", "board.vcd"} <= names for names in told), told


def test_scenarios_own_plants_and_several_boards(run: Run, stock_image: Path) -> None:
    ran = run("button", "two", f"--image={stock_image}")
    assert ran.returncode == 0 and "3 passed" in ran.stdout, ran.stdout + ran.stderr


def test_the_same_driver_on_the_unix_port(run: Run, micropython: Path) -> None:
    ran = run("uart", "button", "-k", "silence or button", "--target", "unix", "--unix", micropython)
    assert ran.returncode == 0 and "3 passed" in ran.stdout, ran.stdout + ran.stderr


def test_an_option_of_the_bench_without_its_service_is_refused(run: Run, tmp_path: Path) -> None:
    ran = run("-c", "/dev/null", "blink", f"--image={tmp_path}/none.uf2")
    assert ran.returncode == 4 and "write --embedded-services hil" in ran.stderr, ran.stdout + ran.stderr


@pytest.mark.campaign
def test_every_example(run: Run, stock_image: Path) -> None:
    ran = run(f"--image={stock_image}")
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--app-path", "nowhere"], "there is no such file or folder"),
        (["--app-path", "blink"], "name one with --image"),
        (["--app-path", "blink", "--image", "nothing.uf2"], "there is no such program"),
        (["--app-path", "blink", "--target", "moon"], "write emulated, unix, wokwi, serial"),
        (["--app-path", "blink", "--target", "serial"], "name the board's console with --port"),
        (["--app-path", "blink", "--target", "/dev/wayside-none"], "there is no such port"),
        (["--app-path", "blink", "--target", "rfc2217://127.0.0.1:1"], "cannot be opened"),
        (["--app-path", "blink", "--bench", "nothing.toml"], "No such file"),
        (["--app-path=blink|uart"], "is for 2 boards: write --count 2 too"),
        (["--app-path=blink", "--target=unix|emulated|unix"], "is for 3 boards: write --count 3 too"),
    ],
)
def test_what_cannot_run_is_explained(run: Run, words: list[str], said: str) -> None:
    ran = run("blink", "-k", "blinks", *words)
    assert ran.returncode == 1 and said in ran.stdout and "Traceback" not in ran.stdout, ran.stdout + ran.stderr


def test_a_real_board_is_tried_again_and_no_other(run: Run, tmp_path: Path) -> None:
    """What fails is a plug, here a file that has to be there twice."""
    (tmp_path / "conftest.py").write_text("")
    (tmp_path / "test_retry.py").write_text(
        "import json, pathlib, pytest\n"
        "def again(name):\n"
        "    path = pathlib.Path(__file__).with_name(name)\n"
        "    count = json.loads(path.read_text()) + 1 if path.exists() else 1\n"
        "    path.write_text(json.dumps(count))\n"
        "    assert count == 2\n"
        "@pytest.mark.real_board\n"
        "def test_real(tmp_path): again('real')\n"
        "def test_emulated(tmp_path): again('emulated')\n"
    )
    ran = run(tmp_path / "test_retry.py", "--bench-retries", "2")
    assert "1 failed, 1 passed" in ran.stdout, ran.stdout
    assert json.loads((tmp_path / "real").read_text()) == 2 and json.loads((tmp_path / "emulated").read_text()) == 1

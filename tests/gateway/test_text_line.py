"""A protocol of the south is one file: docs/examples/text_line.py, put beside the adapters, reads a device by TCP."""

import asyncio
import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from site_daemon import packs, running
from waiting import until
from wayside import config
from wayside.cli import main
from wayside.south import adapters

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "text_line.py"
SITE = """
[site]
name = "test.example"
[[adapter]]
device = "tank-1"
kind = "text_line"
[adapter.options]
endpoint = "{endpoint}"
channels = {{ temperature = "Cel", level = "cm" }}
every_s = 0.1
"""


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kinds").mkdir()
    shutil.copy(EXAMPLE, tmp_path / "kinds")
    monkeypatch.setattr(adapters, "__path__", [*adapters.__path__, str(tmp_path / "kinds")])


def module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("text_line", EXAMPLE)
    assert spec and spec.loader
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def readings(folder: Path, answer: bytes, packs_wanted: int = 3) -> list[tuple[str, int | None, int, str]]:
    """(channel, mantissa, exponent, reason) of what the gateway has signed of a device that answers so."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readline() == b"READ\n"
        writer.write(answer)
        writer.close()

    async def scenario() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, running(folder, SITE.format(endpoint=f"tcp://127.0.0.1:{port}")) as site:
            await until(lambda: site.intake.counters["packs"] >= packs_wanted, "packs")

    asyncio.run(scenario())
    found = [each for pack in packs(folder, "tank-1") for each in pack.readings]
    return [(each.channel, each.mantissa, each.exponent, each.reason) for each in found]


@pytest.mark.usefixtures("example")
def test_what_the_device_says_is_in_the_log_exactly_and_signed(tmp_path: Path) -> None:
    found = readings(tmp_path, b"level=140 temperature=-21.50 door=open\n")
    assert found[:2] == [("temperature", -2150, -2, ""), ("level", 140, 0, "")]
    assert main(["check", str(tmp_path / "site.toml")]) == 0


@pytest.mark.usefixtures("example")
@pytest.mark.parametrize(
    ("answer", "reasons"),
    [
        (b"temperature=21.5\n", ["", "not in the answer"]),
        (b"temperature=nan level=1e3\n", ["not understood", "not understood"]),
        (b"temperature=1 temperature=2 level=3\n", ["not understood", ""]),
        (b"temperature=21.5 level=14", ["no answer", "no answer"]),  # cut off: the level was 140
        (b"", ["no answer", "no answer"]),
        (b"\xff\n", ["no answer", "no answer"]),
        (b"x" * 5000 + b"\n", ["no answer", "no answer"]),
    ],
)
def test_what_cannot_be_tied_to_a_channel_is_bad_with_its_reason(
    tmp_path: Path, answer: bytes, reasons: list[str]
) -> None:
    found = readings(tmp_path, answer, 1)
    assert [reason for *_, reason in found[:2]] == reasons
    assert [mantissa is None for _, mantissa, *_ in found[:2]] == [bool(reason) for reason in reasons]


@pytest.mark.usefixtures("example")
def test_what_is_wrong_with_its_options_is_said_by_the_file(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    for endpoint, said in (
        ("rtu:///dev/ttyUSB0", 'write "tcp://HOST:PORT"'),
        ("tank", "tank is not an endpoint"),
    ):
        path.write_text(SITE.format(endpoint=endpoint))
        with pytest.raises(config.ConfigError) as refused:
            config.load(path)
        assert said in str(refused.value) and f"{path}:8: adapter[1].options.endpoint: " in str(refused.value)


@given(st.integers(-(10**15) + 1, 10**15 - 1), st.integers(0, 9))
def test_a_number_is_the_one_that_is_written(mantissa: int, places: int) -> None:
    digits = f"{abs(mantissa):0{places + 1}d}"
    whole, fraction = digits[: len(digits) - places], digits[len(digits) - places :]
    text = f"{'-' if mantissa < 0 else ''}{whole}{'.' * bool(places)}{fraction}"
    assert module().decode(f"a=1 b={text} c=2", "b") == (mantissa, -places, "")


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    mantissa, _, reason = module().decode(text, "b")
    assert (mantissa is None) == bool(reason)

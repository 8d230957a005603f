"""What it costs to read a TOML file, whoever wrote it: work and memory stay in proportion to the text."""

import os
import sys
import time
import tomllib
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wayside.profiles import ProfileError, load_file
from wayside.settings import toml_bounds, toml_file
from wayside.site import config
from wayside.site.config import SiteFileError
from wayside.witness import settings as witness_settings

BIG = toml_bounds.MAX_BYTES


class Cost:
    """Counts calls and measures the most memory while it runs. Seconds would say how busy the machine is."""

    def __enter__(self) -> "Cost":
        self.calls = self.peak = 0
        tracemalloc.start()
        sys.setprofile(self._count)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        self.peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    def _count(self, _frame: object, _event: str, _argument: object) -> None:
        self.calls += 1


def problems_of(path: Path, text: str | bytes) -> list[str]:
    """What is wrong with it; it may cost no more than its size explains."""
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    size = min(path.stat().st_size, BIG)
    with Cost() as cost:
        try:
            config.load(path)
            found = []
        except SiteFileError as error:
            found = error.args[0] if isinstance(error.args[0], list) else str(error).splitlines()
    assert cost.calls <= 100 * size + 50_000
    assert cost.peak <= 800 * size + 8_000_000
    return found


SITE = '[site]\nname = "a.example"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SITE + "a" + ".a" * 20_000 + " = 1", ":3: a key has at most 16 parts"),
        (SITE + 'a."b"' * 8_000 + " = 1", ":3: a key has at most 16 parts"),
        (SITE + "[" + "a." * 20_000 + "a]", ":3: a key has at most 16 parts"),
        (SITE + "a = {b" + ".b" * 20_000 + " = 1}", ":3: a key has at most 16 parts"),
        (SITE + "a = " + "[" * 20_000, ":3: lists and tables are at most 16 deep"),
        (SITE + "a = " + "[\n" * 20_000, ":19: lists and tables are at most 16 deep"),
        (SITE + "a = " + "{b = " * 8_000, ":3: lists and tables are at most 16 deep"),
        (SITE + "a = " + "9" * 5_000, ":3: a key, number or date has at most 128 characters"),
        (SITE + "a = 0x" + "f" * 40_000, ":3: a key, number or date has at most 128 characters"),
        (SITE + "a = 0." + "1" * 40_000, ":3: a key, number or date has at most 128 characters"),
        (SITE + "a = [" + "1," * 60_000 + "]", ":3: a file has at most 20000 keys and elements"),
        (SITE + "".join(f"a{number}=1\n" for number in range(25_000)), "a file has at most 20000 keys and elements"),
        (SITE + "[[bus]]\n" * 25_000, "a file has at most 20000 keys and elements"),
        (SITE + "#" + "x" * BIG, "is larger than 262144 bytes"),
        (SITE + 'a = "' + "\\u0000" * 40_000, "is not TOML"),
        (SITE + "a = '''" + "''\n" * 40_000, "is not TOML"),
        (b"\xff\xfe", "is not UTF-8 text (byte 0)"),
    ],
    ids=range(17),
)
def test_what_would_cost_too_much_is_refused_with_its_line(tmp_path: Path, text: str | bytes, said: str):
    [problem] = problems_of(tmp_path / "site.toml", text)
    assert said in problem and len(problem) < 1000


@pytest.mark.parametrize(
    "text",
    [
        SITE + 'x = """\n[' + " " * 40_000 + 'y\n"""\n',
        SITE + 'x = """\n[a' + "." * 200_000 + ']\n"""\n',
        SITE + f'"{"k" * 200_000}" = 1\n',
        SITE + f'x = "{"a:" * 100_000}"\n',
        SITE + f'[[sink]]\nname = "x"\nkind = "mqtt"\nurl = "{"a" * 200_000}"\n',
    ],
    ids=["spaces", "dots", "key", "text", "url"],
)
def test_no_pattern_takes_longer_than_the_text_explains(tmp_path: Path, text: str):
    """800 spaces behind a bracket in a text took 2 s, 8,000 half an hour: nothing else ran meanwhile."""
    path = tmp_path / "site.toml"
    path.write_text(text)
    begun_s = time.thread_time()
    with pytest.raises(SiteFileError):
        config.load(path)
    assert time.thread_time() - begun_s < 20


def test_every_file_that_is_read_as_toml_is_bounded(tmp_path: Path):
    path = tmp_path / "x.toml"
    path.write_text("a" + ".a" * 20_000 + " = 1")
    with pytest.raises(ProfileError, match="at most 16 parts"):
        load_file(path)
    with pytest.raises(witness_settings.WitnessFileError, match="at most 16 parts"):
        witness_settings.load(path)


def test_a_pipe_or_a_device_is_no_file(tmp_path: Path):
    """An operator from afar names the junction file: /dev/zero as one filled the memory, a pipe held up the gateway."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(SiteFileError, match=r"cannot be read \(.*\); give the path of a site file"):
            config.load(path)
        with pytest.raises(OSError):
            toml_file.read(path)


def test_thousands_of_wrong_keys_are_told_in_some_lines(tmp_path: Path):
    text = SITE + "".join(f"unknown{number} = 1\n" for number in range(9_000))
    problems = problems_of(tmp_path / "site.toml", text)
    assert len(problems) == 51 and problems[-1] == "and 8950 problems more"


def test_a_value_without_end_is_shown_in_part_and_printable(tmp_path: Path):
    [problem] = problems_of(tmp_path / "site.toml", '[site]\nname = ["\\u001b[2J' + "x" * 100_000 + '"]')
    assert problem.isprintable() and len(problem) < 500


_PIECES = ["a", ".", "=", "[", "]", "[[", "]]", "{", "}", ",", '"', "'", '"""', "'''", "\\", "#", "\n", "\r\n", " "]
_PIECES += ["0x", "-", "e9", "inf", "2026-01-01T00:00:00", "a.b = 1\n", "[a.b]\n", "[[a]]\n", "x = [[1], {a = 1}]\n"]
_PIECES += ["1", "_", "é", "\\u00e9"]
_run = st.tuples(st.lists(st.sampled_from(_PIECES), min_size=1, max_size=4), st.integers(1, 2_000))


@settings(max_examples=60, deadline=None)
@given(st.lists(_run, max_size=6))
@example([(["a", "."], 4_000), (["a = 1"], 1)])
@example([(["a = "], 1), (["["], 4_000)])
def test_any_text_costs_what_its_size_explains(
    tmp_path_factory: pytest.TempPathFactory, runs: list[tuple[list[str], int]]
):
    text = "".join("".join(pieces) * times for pieces, times in runs)[:10_000]
    assert problems_of(tmp_path_factory.mktemp("any") / "site.toml", text)


_texts = st.text(st.sampled_from(list("ab.[]{}=,#'\"\\\n \té")), max_size=30)
_values = st.recursive(
    st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.booleans() | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=20,
)


def written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)} = {written(each)}" for key, each in value.items()) + "}"
    return repr(value)


def quoted(text: str) -> str:
    return '"' + "".join(c if c.isalnum() or c in " .[]{}=,#'" else f"\\u{ord(c):04x}" for c in text) + '"'


@settings(deadline=None)
@given(st.dictionaries(_texts, _values, max_size=5), st.sampled_from(["'''{}'''", '"""{}"""', "'{}'", '"{}"']))
def test_what_stands_in_texts_and_comments_is_not_counted(tables: dict[str, object], quotes: str):
    lines = [f"{quoted(key)} = {written(value)} # a.b.c = [[[{{{{ " + "." * 50 for key, value in tables.items()]
    lines.append(f"zz = {quotes.format('.[={,' * 50)}")
    text = "\n".join(lines)
    wanted = tomllib.loads(text)
    try:
        toml_bounds.check(text)
    except toml_bounds.TooCostlyError as error:
        raise AssertionError(error) from None
    assert len(wanted) >= len(tables)

"""How the tests themselves wait: for conditions, as long as a busy machine needs (tests/waiting.py)."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
# Limits of seconds are there for what hangs; those under a second make something be late. What `expect` of the bench
# is given is the board's time.
RULES = {
    "sleeps: use waiting.wait_until, or say behind it why time has to go by": re.compile(
        r"^\s+time\.sleep\([\d.]+\)(?!  # )"
    ),
    "asserts how long something took: on a busy machine anything takes long": re.compile(
        r"^\s+assert .*\b(?:monotonic|perf_counter|time\.time)\(\) - "
    ),
    "waits for less than a minute: use waiting.PATIENCE_S": re.compile(
        r"^(?!.*\.expect).*(?:\basyncio\.timeout\(|\.(?:wait|join|settimeout)\((?:timeout=)?|, timeout=)"
        r"[1-5]?\d(?:\.\d+)?\)(?<!\b0\.\d\))(?<!\b0\.\d\d\))(?<!\(0\))"
    ),
}


def wrong_in(line: str) -> list[str]:
    return [what for what, rule in RULES.items() if rule.search(line)]


def test_no_test_polls_measures_or_lacks_patience() -> None:
    wrong = []
    for path in sorted({*TESTS.rglob("*.py")} - {TESTS / "waiting.py", Path(__file__)}):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            wrong += [f"{path.relative_to(TESTS)}:{number}: {what}" for what in wrong_in(line)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("line", "is_wrong"),
    [
        ("    time.sleep(0.02)", True),
        ("    time.sleep(1.1)  # another second, in the texts", False),
        ("    time.sleep(PACE_S)", False),
        ("    assert said and time.monotonic() - began < 3", True),
        ("    assert process_time() - began < 3", False),
        ("    process.wait(20)", True),
        ("    end.settimeout(5)", True),
        ("    subprocess.run(words, timeout=30)", True),
        ("    async with asyncio.timeout(2.5):", True),
        ("    async with asyncio.timeout(0.05):", False),
        ("    async with asyncio.timeout(60):", False),
        ("    process.wait(PATIENCE_S)", False),
        ("    dut.expect('word', timeout=5)", False),
    ],
)
def test_the_rules_find_what_they_are_for(line: str, is_wrong: bool) -> None:
    assert bool(wrong_in(line)) is is_wrong

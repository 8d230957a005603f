"""What the page is told of junctions, and which of it is said in words."""

from pathlib import Path

from signals.test_signals_record import EXAMPLE, SITE, Bench, request
from wayside.kinds.junction_view import JunctionView


def looked(bench: Bench, junction_file: Path | None = EXAMPLE) -> JunctionView:
    """At the bench's folder at the bench's time."""
    bench.appender.close()
    view = JunctionView("junction-7", bench.folder, junction_file, bench.clock)
    view.look()
    return view


def told(bench: Bench, junction_file: Path | None = EXAMPLE) -> dict | None:
    return looked(bench, junction_file).status()


def words(about: dict) -> list[tuple[str, str]]:
    return [(each["level"], each["text"]) for each in about["words"]]


def test_a_junction_in_service_has_bars_and_nothing_to_say(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.ticks(1001, bytes([1, 0, 1, 0, 0, 0]))
    about = told(bench)
    assert not about["is_old"] and about["age_s"] <= 0.5
    assert [each["name"] for each in about["picture"]["groups"]] == list(SITE.junction.index)
    assert all(each["bars"] for each in about["picture"]["groups"])
    assert not [text for level, text in words(about) if level == "bad"]


def test_flash_that_was_asked_for_is_no_fault_and_flash_by_a_fault_is(tmp_path: Path) -> None:
    for name in ("asked", "broken"):
        (tmp_path / name).mkdir()
    asked = Bench(tmp_path / "asked")
    asked.ticks(300)
    request(asked, "flash")
    asked.ticks(400)  # greens end in order first
    assert ("warning", "flashes: remote request") in [(level, text[:23]) for level, text in words(told(asked))]
    broken = Bench(tmp_path / "broken")
    broken.ticks(300)
    broken.node.read = lambda size: b""  # the line is cut
    broken.ticks(20)
    about = told(broken)
    assert words(about)[0] == ("bad", "flashes: the node is not heard")
    assert about["picture"]["node"] == "not heard"
    assert words(about)[1][1].startswith("detectors loop-main, loop-left, ") and words(about)[1][1].endswith(": silent")
    assert next(looked(broken).problems()) == ("bad", "junction junction-7: flashes: the node is not heard")
    assert {each["lamp"] for each in about["picture"]["groups"]} == {"flash_amber", "flash_red", "dark"}


def test_a_level_that_was_asked_for_and_cannot_be_had_is_said_so(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.ticks(300)
    request(bench, "stage 2")
    assert [text for _, text in words(told(bench)) if "was asked for" in text] == []

    def fails(state: object, demand: object) -> frozenset[int]:
        raise RuntimeError

    bench.controller._adviser = fails
    request(bench, "adaptive day")
    said = "adaptive day was asked for, and it runs plan: not adaptive: the adviser failed: RuntimeError"
    assert ("warning", said.replace("plan", "actuated")) in words(told(bench))


def test_a_silent_controller_is_said_so(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.ticks(301)
    bench.clock.ms += 35_000
    about = told(bench)
    assert about["is_old"]
    assert words(about) == [("bad", "the controller is silent for 35 s: this is an old picture")]
    assert about["entry_age_s"] >= 35
    bench.clock.ms += 3_600_000
    assert words(told(bench))[0][1].startswith("the controller is silent for 60 min")
    bench.clock.ms -= 7_200_000
    assert "ahead of the gateway's clock" in words(told(bench))[0][1]


def test_without_a_junction_file_there_is_the_picture_and_a_hint(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.ticks(301)
    about = told(bench, None)
    assert "junction_file" in about["problem"] and about["picture"]["groups"][0]["name"] == "main"
    (tmp_path / "feed.json").unlink()
    assert told(bench, None) is None  # a monitor's folder


def test_a_junction_file_that_cannot_be_used(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.ticks(5)
    [(level, text)] = words(told(bench, tmp_path / "none.toml"))
    assert level == "bad" and "none.toml" in text

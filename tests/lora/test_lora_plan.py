"""What `wayside lora plan` says about a site."""

import pytest
from wayside.cli import main
from wayside.south.lora.plan import PlanError, rows, site


def test_the_law_of_the_sub_band() -> None:
    found = {row.sf: row for row in rows(site("EU868", 868_300, None, 32, 4, 900, 20))}
    # 32 bytes: 72 ms, 247 ms and 1.81 s; one per cent of an hour.
    assert (found[7].report_us, found[9].report_us, found[12].report_us) == (71_936, 246_784, 1_810_432)
    assert (found[7].frames_per_hour, found[9].frames_per_hour) == (500, 145)
    ten = {row.sf: row for row in rows(site("EU868", 869_525, None, 32, 4, 900, 20))}
    assert ten[7].frames_per_hour == 5004
    assert found[7].delivered_ppm > found[12].delivered_ppm


def test_dwell_time_forbids_slow_heads() -> None:
    found = {row.sf: row for row in rows(site("AS923", None, None, 51, 4, 900, 20))}
    assert not found[7].reason
    assert "400 ms are allowed" in found[10].reason
    assert found[10].frames_per_hour == 0


@pytest.mark.parametrize(
    ("region", "channel", "size"),
    [("EU433", None, 51), ("EU868", 868_650, 51), ("EU868", None, 300), ("EU868", None, 5)],
)
def test_what_cannot_be_planned(region: str, channel: int | None, size: int) -> None:
    with pytest.raises(PlanError):
        site(region, channel, None, size, 4, 900, 20)


@pytest.mark.parametrize("region", ["EU868", "KR920", "US915", "AS923", "AS923-JP"])
def test_command(capsys: pytest.CaptureFixture[str], region: str) -> None:
    assert main(["lora", "plan", "--region", region]) == 0
    out = capsys.readouterr().out
    assert region in out and "SF   report ms" in out and len(out.splitlines()) == 10


def test_command_says_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lora", "plan", "--region", "EU868", "--channel-khz", "868650"]) == 2
    assert "no band" in capsys.readouterr().err
    assert main(["lora", "plan", "--every-s", "1", "--bytes", "255"]) == 1
    assert "send less often" in capsys.readouterr().out

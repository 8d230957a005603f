"""A node that makes up channel names, and what the pages and their viewers get of it."""

import asyncio
import json
from collections.abc import Iterable
from functools import partial

import pytest

pytest.importorskip("aiohttp")

from wayside.daemon.gateway_about import ForgottenAbout
from wayside.parts.picture import draw
from wayside.runtime.clock import SystemClock
from wayside.values.expected import Expected
from wayside.values.image import MAX_CHANNELS, ProcessImage
from wayside.values.reading import Reading
from wayside.web import server as site_server
from wayside.web.recorder import Recorder
from wayside.web.server import Server, StatusSite, StatusSiteSettings

NAMES = 4_200


def named(numbers: Iterable[int]) -> list[Reading]:
    """Channels with the longest names and reasons that a pack can have."""
    return [Reading(f"c{number:047}", "V", None, 0, 2, "x" * 64, 1_795_000_000_000) for number in numbers]


def recorder_of(image: ProcessImage) -> Recorder:
    said = partial(draw, [ForgottenAbout(image)], [], print)
    return Recorder("test.example", said, image, SystemClock())


def test_of_a_device_the_newest_channels_stay_and_the_loss_is_told():
    image = ProcessImage()
    recorder = recorder_of(image)
    image.update("meter-1", named([1]))
    for first in range(0, NAMES, 64):
        image.update("node", named(range(first, first + 64)))
        recorder.look()
    channels = image.snapshot["node"]
    assert len(channels) == MAX_CHANNELS and list(channels)[-1] == f"c{NAMES // 64 * 64 + 63:047}"
    assert len(image.snapshot["meter-1"]) == 1
    assert len(recorder._came) == MAX_CHANNELS + 1, "nothing of what has gone is kept"
    state = recorder.state()
    assert len(json.dumps(state)) < 140_000
    [problem] = [each["text"] for each in state["problems"] if "channels" in each["text"]]
    assert problem.startswith("node has more than 512 channels")
    recorder.charts()
    image.keep_only({"meter-1": Expected()})
    recorder.look()
    assert set(recorder._charts) == {"meter-1"} and not recorder.state()["forgotten"]


def test_a_channel_that_goes_on_being_named_stays():
    image = ProcessImage()
    for first in range(0, NAMES, 10):
        image.update("node", [*named(range(first, first + 10)), *named([-1])])
    assert named([-1])[0].channel in image.snapshot["node"]


def test_a_viewer_is_sent_so_many_bytes_a_second_however_much_there_is(
    monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(site_server, "_STATE_S", 0.02)
    monkeypatch.setattr(site_server, "_BYTES_PER_S", 400_000)
    image = ProcessImage()
    for number in range(10):
        image.update(f"node-{number}", named(range(MAX_CHANNELS)))
    recorder = recorder_of(image)
    recorder.look()
    size = len(json.dumps(recorder.state(), separators=(",", ":")))
    assert size > 500_000

    async def scenario() -> tuple[int, float]:
        site = StatusSite(recorder, lambda: b"", lambda: None, lambda *_: {})
        made = Server(StatusSiteSettings("127.0.0.1", 0), site, lambda: 0.0)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(60), made.serving():
            reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
            writer.write(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            began_s, came = loop.time(), b""
            while came.count(b"event: state\n") < 3:
                part = await reader.read(1 << 16)
                assert part
                came += part
            writer.close()
            return len(came), loop.time() - began_s

    came, took_s = asyncio.run(scenario())
    assert 2 * size < came <= 2 * size + 100_000 + 400_000 * took_s

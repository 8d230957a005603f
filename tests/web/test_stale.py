"""What is old is not shown as fresh: on the status site, in the flows, and in the process image."""


from wayside.parts.picture import Picture
from wayside.runtime.clock import SystemClock
from wayside.values.expected import Expected
from wayside.values.image import ProcessImage
from wayside.values.reading import Reading
from wayside.web.metrics import exposition
from wayside.web.recorder import Recorder
from wayside.web.table import FlowTable


class SetClock(SystemClock):
    now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s


def said() -> Picture:
    return Picture({"log": {"origin": "test.example/log/0"}}, (), (), (), (), tuple)


def reading(channel: str, value: int = 230) -> Reading:
    return Reading(channel, "W", value, 0, 0, "", 1)


def test_a_reading_without_a_newer_one_is_stale_in_all_that_is_shown():
    image, clock = ProcessImage(), SetClock()
    image.keep_only({"meter-1": Expected(10.0), "sensor": Expected()})
    recorder = Recorder("test.example", said, image, clock, [FlowTable(kind="grid", device="meter-1")])
    for device in ("meter-1", "sensor"):
        image.update(device, [reading("power_active")])
    recorder.look()
    for now_s, qualities in ((44.0, ["good", "good"]), (46.0, ["stale", "good"]), (3616.0, ["stale", "stale"])):
        clock.now_s = now_s
        recorder.look()
        state = recorder.state()
        assert [state["devices"][device][0]["quality"] for device in ("meter-1", "sensor")] == qualities
    assert state["flows"]["parts"][0]["watts"] is None and "no newer reading" in state["flows"]["parts"][0]["why"]
    assert 'wayside_device_stale_channels{device="meter-1"} 1' in exposition(recorder.families())
    image.update("meter-1", [reading("power_active", 231)])
    recorder.look()
    assert recorder.state()["devices"]["meter-1"][0]["quality"] == "good"


def test_a_channel_that_was_taken_out_of_the_site_file_is_no_more_with_what_was_derived_of_it():
    image = ProcessImage()
    image.update("meter-1", [reading(each) for each in ("power", "power.mean", "gone", "gone.mean")])
    image.update("node", [reading("anything")])
    image.keep_only({"meter-1": Expected(10.0, frozenset({"power"})), "node": Expected()})
    assert {device: set(channels) for device, channels in image.snapshot.items()} == {
        "meter-1": {"power", "power.mean"},
        "node": {"anything"},
    }

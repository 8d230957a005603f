"""A node's configuration against a model of it: whatever comes, in whatever order, with power cuts in every write."""

from hunts import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from wayside_node.radio_remote import Remote, Working
from wayside_wire import lora_config as wire
from wayside_wire.lora_report import AirProfile, ReportChannel

PROFILE = AirProfile([ReportChannel("t", "Cel", -2), ReportChannel("rh", "%RH", -2)])
OWN = Working(900_000, 4, 7, ["t", "rh"], {})


class CutOffError(Exception):
    """The power is gone."""


class Flash:
    """Files in memory. left: bytes that are still written before the power goes, None: it stays."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.left: int | None = None

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)

    read_or_empty = read

    def replace(self, path: str, data: bytes) -> None:
        if self.left is not None and self.left < len(data):
            self.files[path] = data[: self.left]
            raise CutOffError
        self.files[path] = data


def payload(version: int, trial: int, report_s: int | None) -> bytes:
    return bytes(wire.encode_config(PROFILE, wire.AirConfig(version, trial, report_s, None, None, None, None)))


ORDERS = st.builds(payload, st.integers(1, 6), st.integers(1, 3), st.none() | st.integers(1, 5))
STEPS = st.lists(
    st.tuples(st.just("take"), ORDERS)
    | st.tuples(st.sampled_from(("answered", "unanswered", "reboot")), st.none())
    | st.tuples(st.just("cut"), st.integers(0, 40)),
    max_size=40,
)


class Model:
    """kept: the configuration in force; trial: the one on trial, and how many frames it still has."""

    def __init__(self) -> None:
        self.kept, self.trial, self.left, self.highest = b"", b"", 0, 0

    def working(self) -> int:
        now = self.trial or self.kept
        seconds = wire.decode_config(PROFILE, now).report_s if now else None
        return OWN.report_ms if seconds is None else 1000 * seconds

    def do(self, step: str, order: bytes | None) -> None:
        if step == "take" and order:
            config = wire.decode_config(PROFILE, order)
            if config.version > self.highest:
                self.highest, self.trial, self.left = config.version, order, config.trial
        elif step == "answered" and self.trial:
            self.kept, self.trial = self.trial, b""
        elif step == "unanswered" and self.trial:
            self.left -= 1
            self.trial = self.trial if self.left else b""
        elif step == "reboot":
            self.trial = b""


def check(remote: Remote, model: Model) -> None:
    assert remote.working.report_ms == model.working()
    assert remote.digest == (wire.digest_of(model.kept) if model.kept else b"")
    assert remote.tried == model.highest and remote.on_trial == bool(model.trial)
    status = wire.AirStatus(1, remote.version, remote.digest, remote.tried, remote.outcome, 0, 0, 0)
    assert wire.decode_status(wire.encode_status(status)) == status
    if remote.tried and not remote.on_trial:
        assert (remote.outcome == wire.KEPT) == (remote.version == remote.tried)


@settings(deadline=None, max_examples=examples(300))
@given(STEPS)
def test_it_is_as_its_model(steps: list[tuple[str, object]]) -> None:
    flash, model = Flash(), Model()
    remote = Remote(flash, "remote", PROFILE, OWN)
    for step, argument in steps:
        if step == "cut":
            flash.left = int(str(argument))
            continue
        words = (argument,) if step == "take" else ()
        try:
            if step != "reboot":
                getattr(remote, step)(*words)
            else:
                remote = Remote(flash, "remote", PROFILE, OWN)
        except CutOffError:
            # It was before the write or after it, and nothing in between: the copy that is torn does not count.
            flash.left = None
            remote = Remote(flash, "remote", PROFILE, OWN)
            model.do("reboot", None)
        else:
            model.do(step, argument if isinstance(argument, bytes) else None)
        check(remote, model)

"""What waits for the log, and what gives way when too much does."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from wayside.evidence.kinds import DISCARD_NEWEST, DISCARD_OLDEST, REDUCE_FIDELITY
from wayside.intake.queue import IntakeQueue, QueuedReport

POLICIES = {"a": DISCARD_OLDEST, "b": REDUCE_FIDELITY, "c": DISCARD_NEWEST}
MOST = 6


def report(device: str, number: int) -> QueuedReport:
    return QueuedReport(device, (), ((b"%d" % number, 0),))


def numbers(queue: IntakeQueue, device: str) -> list[int]:
    left = [queue.take() for _ in range(len(queue))]
    return [int(each.parts[0][0]) for each in left if isinstance(each, QueuedReport) and each.device == device]


def filled(device: str, count: int) -> IntakeQueue:
    queue = IntakeQueue()
    queue.policies = POLICIES
    for number in range(count):
        queue.add_report(report(device, number), MOST)
    return queue


def test_the_oldest_gives_way():
    queue = filled("a", 9)
    assert queue.dropped == {("device/a", DISCARD_OLDEST): 3}
    assert numbers(queue, "a") == [3, 4, 5, 6, 7, 8]


def test_the_newest_gives_way():
    queue = filled("c", 9)
    assert queue.dropped == {("device/c", DISCARD_NEWEST): 3}
    assert numbers(queue, "c") == [0, 1, 2, 3, 4, 5]


def test_every_second_gives_way_and_the_whole_time_stays_covered():
    queue = filled("b", 7)
    assert queue.dropped == {("device/b", REDUCE_FIDELITY): 3}
    assert numbers(queue, "b") == [0, 2, 4, 6]
    queue = filled("b", 100)
    kept = numbers(queue, "b")
    assert kept[0] == 0 and kept[-1] == 99 and len(kept) <= MOST
    assert queue.dropped == {("device/b", REDUCE_FIDELITY): 100 - len(kept)}


def test_a_device_that_reports_often_takes_nothing_of_anothers():
    queue = filled("a", 1)
    for number in range(100):
        queue.add_report(report("c", number), MOST)
    assert queue.dropped == {("device/c", DISCARD_NEWEST): 95}
    assert numbers(queue, "a") == [0]


@given(st.lists(st.sampled_from("abcd<")), st.integers(0, MOST))
def test_what_does_not_wait_is_counted_and_the_order_holds(steps: str, most: int):
    """`<`: some are taken and put back, as after a commit that failed. Device d has no policy of its own."""
    queue = IntakeQueue()
    queue.policies = POLICIES
    gone, added = 0, Counter[str]()
    for number, step in enumerate(steps):
        if step == "<":
            queue.put_back([queue.take() for _ in range(min(2, len(queue)))])
            continue
        added[step] += 1
        gone += queue.add_report(report(step, number), most)
        assert 1 <= len(queue) <= max(1, most)
    left = [queue.take() for _ in range(len(queue))]
    order = [int(each.parts[0][0]) for each in left if isinstance(each, QueuedReport)]
    assert order == sorted(order)
    assert gone == sum(queue.dropped.values()) == added.total() - len(left)
    for device, count in added.items():
        policy = POLICIES.get(device, DISCARD_OLDEST)
        lost = count - sum(each.stream == f"device/{device}" for each in left)
        assert queue.dropped[f"device/{device}", policy] == lost

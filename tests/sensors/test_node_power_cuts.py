"""What a sensor's count and base line are after the power failed at any byte, on both interpreters: plain asserts."""

import sys

sys.path.append(__file__.rsplit("/", 2)[0] + "/node")

from fakes import files, scratch
from power import MODES, CutFiles, PowerCut
from wayside_node.sensors.contact import DurableCount
from wayside_node.sensors.qmc5883l import BaseFile


def every_cut(name, first, then, check):
    """first(path, files) is done whole, then(path, files) with the power cut after 0, 1, 2 ... bytes and names."""
    cuts = 0
    for mode in MODES:
        for budget in range(200):
            path = scratch("%s-%s-%d" % (name, mode, budget)) + "/kept"
            first(path, files())
            try:
                then(path, CutFiles(budget, mode))
            except PowerCut:
                cuts += 1
                check(path)
                continue
            check(path)
            break
        else:
            raise AssertionError("it never ends")
    return cuts


def test_a_count_that_was_told_is_there_after_any_cut():
    told = []

    def first(path, whole):
        register = DurableCount(whole, path)
        told[:] = [register.add(5), register.add(2)]

    def then(path, cut):
        register = DurableCount(cut, path)
        for pulses in (1, 3, 1):
            told.append(register.add(pulses))

    def check(path):
        register = DurableCount(files(), path)
        assert not register.lost
        # What was told, or what was durable and could not be told any more; never less, and nothing else.
        assert register.value in (told[-1], told[-1] + {7: 1, 8: 3, 11: 1}.get(told[-1], 0)), (register.value, told)
        assert register.add(1) == register.value

    assert every_cut("count", first, then, check) > 60


def test_a_new_register_starts_at_nothing_or_at_what_was_told():
    def then(path, cut):
        DurableCount(cut, path).add(4)

    def check(path):
        register = DurableCount(files(), path)
        # The very first copy may be torn: the count was never told, yet it cannot be known to be none.
        assert register.lost or register.value in (0, 4)

    assert every_cut("new", lambda path, whole: None, then, check) > 30


def test_a_base_line_is_the_old_or_the_new_one():
    old, new = [256000, -128000, 77], [256100, -128200, 99]

    def first(path, whole):
        BaseFile(whole, path).save(old)

    def check(path):
        kept = BaseFile(files(), path)
        assert kept.load() in (old, new) and not kept.new

    assert every_cut("base", first, lambda path, cut: BaseFile(cut, path).save(new), check) > 30

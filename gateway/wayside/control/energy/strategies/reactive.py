"""Reactive support by measurement: Q(U), a line through four points (VDE-AR-N 4105, section 5.7.2.4).

Positive: the asset takes reactive power (inductive), which lowers the voltage.
"""

from collections.abc import Sequence
from itertools import pairwise

from wayside.control.energy.cycle import How, PowerRequest
from wayside.control.energy.limits import MOST_W
from wayside.control.energy.strategies.view import Asker, View

LINE = ((2_140, -100), (2_231, 0), (2_369, 0), (2_461, 100))
"""(tenths of a volt, percent of the most): 93, 97, 103 and 107 % of 230 V."""


def percent_at(decivolts: int, line: Sequence[tuple[int, int]] = LINE) -> int:
    """Between the points in whole percent, towards 0; beyond them as at the last one."""
    if decivolts <= line[0][0]:
        return line[0][1]
    for (left, below), (right, above) in pairwise(line):
        if decivolts <= right:
            change = (above - below) * (decivolts - left)
            size = abs(change) // (right - left)
            return below + (size if change >= 0 else -size)
    return line[-1][1]


def ask(asker: Asker, asset: str, most_var: int, view: View) -> Sequence[PowerRequest]:
    """Its active power stays free. Nothing while the voltage is unknown."""
    if view.decivolts is None:
        return ()
    return (asker.bound(view, asset, MOST_W, How.AT_MOST, var=most_var * percent_at(view.decivolts) // 100),)

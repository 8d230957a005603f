"""Which groups may be green together: the stages among which an adviser chooses."""

from collections.abc import Sequence
from itertools import combinations

from wayside.control.signals.junction import Junction

_MOST_STAGES = 24  # bounds a decision's time


def stages(junction: Junction) -> tuple[frozenset[int], ...]:
    """Every set of compatible groups to which none can be added; and, as long as they are not too many, for each
    permissive movement and each two of them those without their opposing groups, where they are protected."""
    conflicts = [{other for other, _ in each} for each in junction.conflicts]
    everybody = frozenset(range(len(junction.groups)))
    permissive = [number for number in sorted(everybody) if junction.yields_to[number]]
    found = dict.fromkeys(_cliques(conflicts, everybody))
    for chosen in (*combinations(permissive, 1), *combinations(permissive, 2)):
        opposing = frozenset().union(*(junction.yields_to[number] for number in chosen))
        if not opposing.intersection(chosen) and len(found) < _MOST_STAGES:
            protected = _cliques(conflicts, everybody - opposing)
            found |= dict.fromkeys(clique for clique in protected if clique.issuperset(chosen))
    return tuple(dict.fromkeys(with_parents(junction, each) for each in found))


def with_parents(junction: Junction, stage: frozenset[int]) -> frozenset[int]:
    """Without the overlaps that have no parent there."""
    return frozenset(n for n in stage if not junction.parents[n] or junction.parents[n] & stage)


def _cliques(conflicts: Sequence[set[int]], among: frozenset[int]) -> list[frozenset[int]]:
    """The largest sets without conflicts (Bron and Kerbosch, CACM 16 (1973) 575)."""
    found = []

    def extend(chosen: frozenset[int], open_: set[int], done: set[int]) -> None:
        if not open_ and not done:
            found.append(chosen)
        pivot = max(open_ | done, key=lambda each: len(open_ - conflicts[each]), default=None)
        for number in sorted(open_ if pivot is None else open_ & (conflicts[pivot] | {pivot})):
            free = among - conflicts[number] - {number}
            extend(chosen | {number}, open_ & free, done & free)
            open_ = open_ - {number}
            done = done | {number}

    extend(frozenset(), set(among), set())
    return found

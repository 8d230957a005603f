"""What may lie between: the same as going through all of it, at the cost of a search."""

from hypothesis import given, settings
from hypothesis import strategies as st
from wayside.evidence.finding import SHOWN
from wayside.evidence.judge import Why
from wayside.evidence.spans import Span, Spans

_place = st.integers(-1, 12)
_spans = st.lists(st.tuples(_place, _place, st.sampled_from([b"", b"a", b"b"]), st.booleans()), max_size=60)


@settings(max_examples=400)
@given(_spans, _place, _place, st.sampled_from([None, b"a", b"c"]))
def test_it_finds_what_a_look_at_each_finds(
    made: list[tuple[int, int, bytes, bool]], after: int, until: int, own: bytes | None
):
    spans = [
        Span(min(begin, end), max(begin, end), Why(f"{number}", new), key)
        for number, (begin, end, key, new) in enumerate(made)
    ]
    right = [
        each.why
        for each in spans
        if after < until and each.begin <= until and after < each.end and (own is None or each.key != own)
    ]
    found = list(Spans(spans).between(after, until, "of them", own))
    named = [each for each in found if "more" not in each.text]
    assert set(named) <= set(right) and len(named) <= SHOWN
    assert len(found) - len(named) == (len(right) > len(named))
    if len(right) > len(named):
        assert found[-1].text == f"{len(right) - len(named)} more of them lie between"
    assert any(each.is_new_count for each in found) == any(each.is_new_count for each in right)

"""A signal node's inputs on both interpreters: no pulse of 20 ms is lost, no level told that never was."""

from wayside_signal.inputs import ContactInputs


def told(levels, looks_per_picture=5):
    """What the pictures say of one input that is looked at as in `levels`, and then rests."""
    inputs = ContactInputs()
    pictures = []
    for number, level in enumerate(levels + levels[-1:] * 200):
        inputs.look(bytes([level]))
        if number % looks_per_picture == 0:
            pictures.append(inputs.show()[0])
    return pictures


def rises(levels):
    return sum([1 for before, now in zip(levels, levels[1:]) if now > before])


def test_a_level_is_told_at_once():
    inputs = ContactInputs()
    for level in (0, 1, 0, 1):
        for _ in range(10):
            inputs.look(bytes([level, 1]))
        assert inputs.show() == bytes([level, 1])
        assert inputs.show() == bytes([level, 1])


def test_every_short_pulse_is_told_twice_and_every_gap():
    for length in range(1, 5):
        for gap in range(1, 8):
            levels = [0] * 20 + ([1] * length + [0] * gap) * 3
            pictures = told(levels)
            assert rises(pictures) == 3, (length, gap, pictures)
            runs = "".join([str(each) for each in pictures]).split("0")
            assert min([len(run) for run in runs if run]) >= 2, pictures


def test_chatter_is_bounded_and_ends_at_the_level():
    for last in (0, 1):
        for count in (50, 51):
            levels = [number & 1 for number in range(count)] + [last]
            pictures = told(levels)
            assert pictures[-1] == last and 3 < rises(pictures) < 30


def test_another_number_of_inputs_begins_anew():
    inputs = ContactInputs()
    inputs.look(b"\x01")
    assert inputs.show() == b"\x01"
    inputs.look(b"\x00\x01")
    assert inputs.show() == b"\x00\x01"
    assert ContactInputs().show() == b""

"""Every hostile bundle gets the verdict that it must get, by the command; none of them is ever good and complete."""

import json
from pathlib import Path

import pytest
from hostile import epochs, keys, left_out, lies
from hostile.case import CASES, FRAUD, HOLDS, SEQUENCE, UNREADABLE
from wayside import cli

assert epochs and keys and left_out and lies  # they put their cases into the list


@pytest.mark.parametrize("name", CASES)
def test_the_verdict(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    case = CASES[name]()
    path = tmp_path / "evidence"
    path.write_bytes(case.data)
    (tmp_path / "policy").write_text(case.policy)
    words = [str(tmp_path / "policy") if word == "POLICY" else word for word in case.words]
    status = cli.main(["verify", str(path), *words, "--json"])
    told = capsys.readouterr()
    assert status == case.status, told
    if status == UNREADABLE:
        assert case.text in told.err
    else:
        verdict = json.loads(told.out)
        assert verdict["holds"] is (status == HOLDS) and verdict["fraud"] is (status == FRAUD)
        found = {f"{each['device']} {each['check']}".strip(): each for each in verdict["findings"]}
        assert case.text in found[case.check]["text"], found
        assert found[case.check]["holds"] is (status == HOLDS)
        complete = SEQUENCE in found and found[SEQUENCE]["facts"]["complete"]
        assert not (complete and status == HOLDS)
        # Whoever reads only what is said of the device must not be told more either.
        assert not (complete and "left out" in found[case.check]["text"] and case.check == "claim")
    # The very same judgement stands before every settlement.
    settled = cli.main(["settle", str(path), *words, "--device", "meter-1"])
    shown = capsys.readouterr()
    assert settled == status or (status == HOLDS and settled == 1), shown
    assert status == HOLDS or "kWh" not in shown.out

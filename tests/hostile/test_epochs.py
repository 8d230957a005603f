"""Of an epoch's beginning the receiver says what the verifier says."""

import pytest
from hostile.epochs import HONEST, LOGS
from receiver.evidence import account_of
from wayside.receiver.view import Verdict, verdict


@pytest.mark.parametrize("name", LOGS)
def test_what_is_no_beginning(name: str):
    make, text = LOGS[name]
    account = account_of(make())
    assert verdict(account) is Verdict.WRONG and any(text in each for each in account.problems())


@pytest.mark.parametrize("name", HONEST)
def test_what_is_one(name: str):
    assert account_of(HONEST[name][0]()).problems() == []

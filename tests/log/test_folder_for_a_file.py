"""A folder that stands where the log keeps a file."""

from pathlib import Path

import pytest
from wayside.log.signed import SignedFile


def test_a_folder_in_the_place_of_what_was_signed_is_said_in_words(tmp_path: Path):
    place = tmp_path / "epoch-0.signed"
    place.mkdir()
    with pytest.raises(IsADirectoryError, match=r"^epoch-0\.signed is a folder"):
        SignedFile(place)

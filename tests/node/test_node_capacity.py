"""What a board has room for: the rule, and that a node keeps to it when a configuration comes over the link."""

import hashlib
import json

from fakes import files, scratch
from test_node_config import good
from wayside_node.config import ConfigError
from wayside_node.config_store import ConfigStore
from wayside_node.judge import judged
from wayside_node.seal import strip
from wayside_wire.capacity import ROOMS, Need, refusal


def meters(count, channels=3, journal_bytes=16384, mqtt=False):
    return Need(count, count * channels, 0, 0, count, journal_bytes, mqtt)


def most(board, channels=3, journal_bytes=16384, mqtt=False):
    count = 0
    while not refusal(board, meters(count + 1, channels, journal_bytes, mqtt)):
        count += 1
    return count


def test_the_table_of_the_handbook():
    """docs/boards.md, Room."""
    boards = (("RP2040_METER", False), ("ESP32_METER", False), ("ESP32_METER", True), ("ESP32S3_SENSOR", True))
    found = [[most(board, channels, 16384, mqtt) for channels in (1, 3, 8, 16)] for board, mqtt in boards]
    assert found == [[18, 13, 7, 4], [9, 6, 4, 2], [1, 1, 0, 0], [102, 73, 43, 26]]
    assert most("RP2040_METER", 1, 65536) == 10


def test_the_number_that_it_names_is_the_number_that_fits():
    for board in ROOMS:
        for channels in (1, 2, 3, 5, 8, 13, 16, 40):
            for journal_bytes in (16384, 65536, 300000):
                for mqtt in (False, True):
                    fit = most(board, channels, journal_bytes, mqtt)
                    for count in (fit + 1, fit + 7, 247):
                        text = refusal(board, meters(count, channels, journal_bytes, mqtt))
                        assert board in text
                        named = text.split(": ")[-1]
                        if named.startswith("one meter with "):
                            number = int(named.split(" ")[3])
                            assert not number or refusal(board, meters(1, number, 16384, mqtt)) == ""
                            assert refusal(board, meters(1, number + 1, 16384, mqtt))
                            continue
                        number = int(named.split(" ")[0])
                        # Memory is named first; where it would do for more, flash has the next word.
                        assert number == fit or (" memory" in text and fit < number < count)


def test_a_virtual_or_a_foreign_board_takes_everything():
    for board in ("UNIX", "SOMEBODYS_OWN"):
        assert refusal(board, meters(247, 250, 1 << 30)) == ""


def test_sensors_and_sums_count_too():
    room = ROOMS["RP2040_METER"].heap
    assert refusal("RP2040_METER", Need(0, 0, 0, 9, 1, 65536, False)) == ""
    text = refusal("RP2040_METER", Need(0, 0, 0, room // 1000, 1, 65536, False))
    number = int(text.split(": ")[-1].split(" ")[0])
    assert refusal("RP2040_METER", Need(0, 0, 0, number, 1, 65536, False)) == ""
    assert refusal("RP2040_METER", Need(0, 0, 0, number + 1, 1, 65536, False))
    assert refusal("RP2040_METER", Need(1, 16, 0, 0, 1, 65536, False)) == ""
    assert refusal("RP2040_METER", Need(1, 16, 400, 0, 1, 65536, False))


class Board:
    NAME = "RP2040_METER"


def configuration(count):
    data = good()
    meter = data["meters"][0]
    data["meters"] = [dict(meter, device="meter-%d" % unit, unit=unit) for unit in range(1, count + 1)]
    data["journal_bytes"] = 16384
    return json.dumps(data).encode()


def test_config_use_refuses_what_has_no_room_and_goes_on_as_it_was():
    path = scratch("capacity") + "/node.json"
    store = ConfigStore(files(), path, judged(Board, files()), tried=True)
    for count in (19, 90):
        before = configuration(1)
        files().replace(path, before)
        data = configuration(count)
        for at in range(0, len(data), 640):
            store.write(at, data[at : at + 640])
        try:
            store.use(len(data), hashlib.sha256(data).digest())
            raise AssertionError("%d meters are taken" % count)
        except ConfigError as error:
            assert str(error).endswith("18 such meters fit"), str(error)
        assert files().read(path) == before
    data = configuration(18)
    for at in range(0, len(data), 640):
        store.write(at, data[at : at + 640])
    store.use(len(data), hashlib.sha256(data).digest())
    assert strip(files().read(path)) == data

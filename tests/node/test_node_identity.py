"""Key and counters: made once, never going back, whatever cuts the power."""

import errno
import os

from fakes import Keys, files, flush, nothing, scratch
from power import MODES, STRIDE, CutFiles, PowerCut
from wayside_node.checked import checked
from wayside_node.copies import Copies
from wayside_node.counters import Counters, CountersLost
from wayside_node.files import Files
from wayside_node.keys import IdentityError, open_identity

SEED = bytes(range(32))
KEYS = ("/node.key", "/node.key.copy")


def urandom(size):
    assert size == 32
    return SEED


def fails(kind, function, *arguments):
    try:
        function(*arguments)
    except kind as error:
        return str(error)
    raise AssertionError("no " + kind.__name__)


def opened(path, disk=None):
    return open_identity(disk or files(), path, Keys, urandom)


def test_the_key_is_made_once():
    path = scratch("state") + "/deep/er"
    first = opened(path)
    assert files().read(path + "/node.key")[:32] == SEED
    again = open_identity(files(), path, Keys, lambda size: bytes(size))
    assert again.public == first.public == Keys.ed25519_public_key(SEED)
    assert len(first.kid) == 8
    assert first.sign(b"message") == Keys.ed25519_sign(SEED, first.public, b"message")


def test_boot_numbers_grow():
    path = scratch("state")
    assert [opened(path).counters.next_boot() for _ in range(5)] == [1, 2, 3, 4, 5]
    assert opened(path).counters.next_boot(40) == 40
    assert opened(path).counters.next_boot(3) == 41


def test_frame_counters_grow_and_are_reserved_ahead():
    path = scratch("state")
    counters = opened(path).counters
    assert [counters.next_frame() for _ in range(600)] == list(range(600))
    assert opened(path).counters.next_frame() == 768


def test_a_wrong_key_file_says_what_to_do():
    path = scratch("state")
    opened(path)
    for name in KEYS:
        files().replace(path + name, b"short")
    assert "remove all of" in fails(IdentityError, opened, path)


def test_a_bit_that_is_turned_over_makes_no_other_identity():
    path = scratch("state")
    opened(path)
    key = files().read(path + "/node.key")
    for bit in range(8 * len(key)):
        bad = bytearray(key)
        bad[bit >> 3] ^= 1 << (bit & 7)
        for name in KEYS:
            files().replace(path + name, bad)
        assert "is damaged" in fails(IdentityError, opened, path)


def test_either_of_the_two_is_enough_and_the_other_comes_back():
    path = scratch("state")
    identity = opened(path)
    identity.counters.next_boot()
    key = files().read(path + "/node.key")
    for name in KEYS:
        for spoil in (
            lambda name: os.remove(path + name),
            lambda name: files().replace(path + name, b"short"),
            lambda name: files().replace(path + name, bytes([key[0] ^ 1]) + key[1:]),
            lambda name: files().replace(path + name, b""),
        ):
            spoil(name)
            assert opened(path).public == identity.public
            assert [files().read(path + each) for each in KEYS] == [key, key]


def test_a_key_that_is_put_back_counts_and_not_the_copy_of_another():
    path = scratch("state")
    opened(path)
    other = bytes(range(7, 39))
    files().replace(path + "/node.key", checked(other))
    assert opened(path).public == Keys.ed25519_public_key(other)
    assert files().read(path + "/node.key.copy") == checked(other)


def test_whatever_cuts_the_power_while_one_comes_back_the_identity_stays():
    for mode in MODES:
        for name in KEYS:
            budget = 0
            while True:
                path = scratch("state")
                public = opened(path).public
                files().replace(path + name, b"spoilt")
                try:
                    opened(path, CutFiles(budget, mode))
                    break
                except PowerCut:
                    assert opened(path).public == public
                budget += 1
            assert opened(path).public == public


def test_a_key_of_earlier_firmware_gets_its_check_sum_whatever_cuts_the_power():
    for mode in MODES:
        budget = 0
        while True:
            path = scratch("state")
            public = opened(path).public
            files().replace(path + "/node.key", SEED)
            os.remove(path + "/node.key.copy")
            try:
                assert opened(path, CutFiles(budget, mode)).public == public
                break
            except PowerCut:
                assert opened(path).public == public
            budget += 1
        assert len(files().read(path + "/node.key")) == 36 and opened(path).public == public


def test_a_key_without_counters_is_not_used():
    path = scratch("state")
    opened(path).counters.next_boot()
    for copy in ("0", "1"):
        os.remove(path + "/counters." + copy)
    assert "boot number" in fails(IdentityError, opened, path)


def test_one_spoilt_copy_costs_nothing():
    path = scratch("state")
    for _ in range(3):
        opened(path).counters.next_boot()
    for boot, copy in ((4, "0"), (5, "1"), (6, "0")):
        name = path + "/counters." + copy
        data = files().read(name)
        files().replace(name, data[:5] + b"\xff" + data[6:])
        assert opened(path).counters.next_boot() == boot


def test_a_refused_write_spoils_one_copy_only():
    path = scratch("state")
    counters = opened(path).counters
    counters.next_boot()

    class Full:
        def __getattr__(self, name):
            return getattr(files(), name)

        def replace(self, path, data):
            files().replace(path, data[:3])
            raise OSError(28)

    failing = Counters(Full(), path + "/counters")
    failing.load()
    for _ in range(3):
        fails(OSError, failing.next_boot)
    assert opened(path).counters.next_boot() >= 2


def test_a_cut_at_any_byte_never_repeats_a_number():
    for mode in MODES:
        budget = MODES.index(mode)
        while True:
            path = scratch("state") + "/node"
            disk = CutFiles(budget, mode)
            used_boots = []
            used_frames = []
            try:
                for _ in range(4):
                    counters = opened(path, disk).counters
                    used_boots.append(counters.next_boot())
                    for _ in range(300):
                        used_frames.append(counters.next_frame())
                assert budget > 200, "never cut"
                break
            except PowerCut:
                pass
            after = opened(path).counters
            assert after.next_boot() > max(used_boots or [0])
            assert after.next_frame() > max(used_frames or [-1])
            budget += STRIDE


def test_lost_counters_have_a_name():
    fails(CountersLost, Counters(files(), scratch("state") + "/counters").load)


def test_a_key_that_is_gone_from_beside_what_it_signed_makes_no_second_identity():
    path = scratch("state")
    opened(path)
    lose_key(path)
    opened(path)  # nothing was signed: a first start that was cut
    opened(path).counters.next_boot()
    lose_key(path)
    assert "put the key back" in fails(IdentityError, opened, path)
    for copy in ("0", "1"):
        os.remove(path + "/counters." + copy)
    opened(path)
    files().make_directory(path + "/journal/meter-1")
    lose_key(path)
    assert "put the key back" in fails(IdentityError, opened, path)
    assert not files().exists(path + "/node.key")


def lose_key(path):
    for name in KEYS:
        os.remove(path + name)


class Bad(Files):
    """Flash that gives an I/O error for one file."""

    def __init__(self, end):
        super().__init__(flush, nothing)
        self._end = end

    def read(self, path):
        if path.endswith(self._end):
            raise OSError(errno.EIO)
        return super().read(path)


def test_a_key_that_cannot_be_read_is_a_failure_and_no_reason_for_another():
    path = scratch("state")
    public = opened(path).public
    assert opened(path, Bad("node.key")).public == public
    files().replace(path + "/node.key.copy", b"spoilt")
    assert str(errno.EIO) in fails(OSError, opened, path, Bad("node.key"))
    assert opened(path).public == public


def test_a_copy_that_cannot_be_read_costs_nothing():
    path = scratch("state")
    for boot in range(1, 4):
        assert opened(path).counters.next_boot() == boot
    assert opened(path, Bad("counters.0")).counters.next_boot() == 4
    assert opened(path, Bad("counters.1")).counters.next_boot() == 5


class Refusing(Files):
    """Flash that gives an I/O error when one file is written to, or opened to be written."""

    def __init__(self, end, when_opened):
        super().__init__(flush, nothing)
        self._end = end
        self._when_opened = when_opened
        self.said = []
        self.report = self.said.append

    def create(self, path):
        if self._when_opened and path.endswith(self._end):
            raise OSError(errno.EIO)
        return super().create(path)

    def replace(self, path, data):
        if not self._when_opened and path.endswith(self._end):
            super().replace(path, data[:5])
            raise OSError(errno.EIO)
        super().replace(path, data)


def test_a_copy_that_flash_refuses_ends_no_start_and_is_told_once():
    for end in ("counters.0", "counters.1"):
        for when_opened in (True, False):
            path = scratch("state")
            opened(path).counters.next_boot()
            for boot in range(2, 6):
                flash = Refusing(end, when_opened)
                counters = opened(path, flash).counters
                assert counters.next_boot() == boot
                assert counters.take_command(100 + boot) and not counters.take_command(100 + boot)
                assert len(flash.said) == len(flash.refusals) == 1
                assert flash.said[0].find(end + " cannot be written") >= 0, flash.said
            # Flash takes it again: both are the same, and either may be lost.
            whole = opened(path).counters
            assert whole.command == 105 and whole.next_boot() == 6
            for other in ("counters.0", "counters.1"):
                files().replace(path + "/" + other, b"")
                assert opened(path).counters.next_boot() >= 7


def test_a_new_node_begins_with_one_copy_of_its_counters():
    for end in ("counters.0", "counters.1"):
        path = scratch("state")
        assert opened(path, Refusing(end, True)).counters.next_boot() == 1
        assert opened(path, Refusing(end, True)).counters.next_boot() == 2


def test_flash_that_refuses_both_copies_is_an_error():
    path = scratch("state")
    counters = opened(path).counters
    counters.next_boot()
    failing = Counters(Refusing("", True), path + "/counters")
    failing.load()
    fails(OSError, failing.next_boot)


def test_the_copy_that_flash_refuses_counts_no_more_when_the_other_is_damaged():
    """It held the numbers of long ago: a second history would have been signed under them."""
    path = scratch("state")
    opened(path).counters.next_boot()
    assert opened(path, Refusing("counters.0", True)).counters.next_boot() == 2
    files().replace(path + "/counters.1", b"spoilt")
    fails(CountersLost, Counters(files(), path + "/counters").load)


def test_a_cut_while_one_copy_is_kept_alone_never_repeats_a_number():
    for mode in MODES:
        budget = MODES.index(mode)
        while True:
            path = scratch("state")
            opened(path).counters.next_boot()
            opened(path, Refusing("counters.0", True)).counters.next_boot()
            disk = CutFiles(budget, mode)
            create = disk.create

            def refusing(path, create=create):
                if path.endswith("counters.0"):
                    raise OSError(errno.EIO)
                return create(path)

            disk.create = refusing
            given = 2
            try:
                counters = opened(path, disk).counters
                given = counters.next_boot()
            except PowerCut:
                pass
            assert opened(path).counters.next_boot() > given, (mode, budget)
            if given == 3:
                break
            budget += STRIDE


def test_what_is_not_there_and_what_cannot_be_read_are_two_things():
    path = scratch("state")
    assert files().read(path + "/none") is None and files().names(path + "/none") == []
    files().replace(path + "/file", b"x")
    for wrong in (path, path + "/file/below"):  # EISDIR, ENOTDIR
        fails(OSError, files().read, wrong)
    fails(OSError, files().names, path + "/file")
    assert files().read_or_empty(path) == b"" and files().read_or_empty(path + "/none") is None


class Filling(Files):
    """Flash that takes so many more files, and of the next one five bytes."""

    room = 2

    def write(self, file, data):
        if not self.room:
            file.write(data[:5])
            raise OSError(28)
        self.room -= 1
        super().write(file, data)


def test_the_only_whole_copy_is_never_overwritten_on_a_full_flash():
    path, flash = scratch("state") + "/c", Filling(flush, nothing)
    copies = Copies(flash, path, "<Q")
    copies.store(7)
    for room, number, whole in ((1, 8, 8), (0, 9, 8), (0, 10, 8), (1, 11, 11), (0, 12, 11)):
        flash.room = room
        fails(OSError, lambda number=number: copies.store(number))
        assert Copies(files(), path, "<Q").load() == (whole,)
    flash.room = 2
    copies.store(13)
    for copy in (".0", ".1"):
        files().replace(path + copy, b"")
        assert copies.load() == ((13,) if copy == ".0" else None)

"""Commands to a node on both interpreters: plain asserts, no pytest."""

import hashlib

from wayside_wire import WireError, command, enrol, frame, link
from wayside_wire.pack import key_id
from wayside_wire.statement import sign_statement

PUBLIC = bytes(range(32))
KID = key_id(PUBLIC)
NODE = b"NODE-KID"


def sign(message):
    return hashlib.sha256(PUBLIC + message).digest() * 2


def verify(kid, message, signature):
    return kid == KID and signature == sign(message)



def made():
    return command.Command(NODE, 1790000000000, command.INFO, [])


EXAMPLES = (
    (command.INFO, []),
    (command.COUNTERS, []),
    (command.LOG, [7]),
    (command.CONFIG_READ, [0]),
    (command.CONFIG_WRITE, [640, bytes(command.PIECE)]),
    (command.CONFIG_USE, [1280, bytes(32)]),
    (command.SELFTEST, []),
    (command.REBOOT, []),
)


def refused(raw):
    try:
        command.open_command(raw, verify)
    except WireError as error:
        return str(error)
    raise AssertionError("not refused")


def test_every_verb_comes_back_as_it_was_and_fits_a_frame():
    assert len(EXAMPLES) == len(command.VERBS)
    for verb, arguments in EXAMPLES:
        wanted = command.Command(NODE, (1 << 64) - 1, verb, arguments)
        raw = command.sign_command(wanted, KID, sign)
        assert command.open_command(raw, verify) == wanted
        assert len(frame.encode(link.encode(link.CommandMessage(raw)))) <= frame.MAX_FRAME


def test_commands_by_another_key_are_refused():
    raw = command.sign_command(made(), bytes(8), sign)
    assert "signature" in refused(raw)
    raw = command.sign_command(made(), KID, lambda message: bytes(64))
    assert "signature" in refused(raw)


def test_any_flipped_bit_is_refused():
    raw = command.sign_command(made(), KID, sign)
    for bit in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[bit >> 3] ^= 1 << (bit & 7)
        assert refused(bytes(changed))


def test_what_is_no_command_is_made_by_nobody_and_taken_by_nobody():
    for fields in (
        (NODE[:-1], 1, command.INFO, []),
        ("NODE-KID", 1, command.INFO, []),
        (NODE, -1, command.INFO, []),
        (NODE, True, command.INFO, []),
        (NODE, "1", command.INFO, []),
        (NODE, 1, "format c:", []),
        (NODE, 1, 5, []),
        (NODE, 1, [], []),
        (NODE, 1, command.INFO, [1]),
        (NODE, 1, command.INFO, {}),
        (NODE, 1, command.LOG, []),
        (NODE, 1, command.LOG, [b""]),
        (NODE, 1, command.LOG, [-1]),
        (NODE, 1, command.CONFIG_WRITE, [0, "text"]),
        (NODE, 1, command.CONFIG_WRITE, [0]),
    ):
        refused(sign_statement(command.CONTENT_TYPE, KID, fields, sign))
        try:
            command.sign_command(command.Command(*fields), KID, sign)
        except ValueError:
            pass
        else:
            raise AssertionError(fields)


def test_a_proof_of_possession_is_no_command():
    proof = enrol.make_proof(bytes(16), PUBLIC, sign, "UNIX", "0.1", 0)
    assert "content type" in refused(proof)

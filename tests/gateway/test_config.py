"""Every error of a site file names file, line, key and what to write instead; all are told at once."""

import tomllib
from pathlib import Path

import pytest
from wayside.cli import main
from wayside.settings.client import Client
from wayside.site import config
from wayside.site.diff import settings

GOOD = """
[site]
name = "demo.example"

[[bus]]
name = "cabinet"
endpoint = "tcp://127.0.0.1:502"

[[bus.device]]
name = "meter-2"
unit = 1
profile = "eastron-sdm630"

[[node]]
name = "node-1"
port = "/dev/ttyACM0"
public_key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
devices = ["meter-1"]

[[sink]]
name = "city"
kind = "mqtt"
url = "mqtt://127.0.0.1:1883"
"""


def problems_of(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "site.toml"
    path.write_text(text)
    with pytest.raises(config.SiteFileError) as caught:
        config.load(path)
    return [problem.removeprefix(str(path)) for problem in caught.value.problems]


def test_a_good_file_loads_with_defaults(tmp_path: Path):
    path = tmp_path / "site.toml"
    path.write_text(GOOD)
    site = config.load(path)
    assert list(site.expected()) == ["meter-2", "meter-1"]
    assert site.bus[0].device[0].report_ms == 10_000
    assert site.log.commit_ms == 50


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('name = "demo.example"', 'name = "Demo Site"', ":3: site.name: write a domain-like name"),
        ('name = "demo.example"', "", ":2: site.name: is missing"),
        ("tcp://127.0.0.1:502", "tpc://x", ':7: bus[1].endpoint: tpc://x is not an endpoint: write "tcp:'),
        ("tcp://127.0.0.1:502", "tcp://x:99999", ":7: bus[1].endpoint: tcp://x:99999 is not an endpoint: its host"),
        (
            "tcp://127.0.0.1:502",
            "rtu:///dev/x?baud=fast",
            ":7: bus[1].endpoint: baud=fast in rtu:///dev/x?baud=fast: write",
        ),
        ("tcp://127.0.0.1:502", "rtu:///dev/x?bauds=1", ':7: bus[1].endpoint: unknown option "bauds" in'),
        ("tcp://127.0.0.1:502", "tcp://x:1?baud=9600", ':7: bus[1].endpoint: unknown option "baud" in'),
        ("tcp://127.0.0.1:502", "rtu:///dev/ttyACM0", 'port "/dev/ttyACM0" is used twice'),
        (
            "unit = 1",
            'unit = 1\nchannels = ["voltage_l1", "volts"]',
            ":12: bus[1].device[1].channels: profile eastron-sdm630: ",
        ),
        (
            "[[node]]",
            '[[bus.device]]\nname = "b"\nunit = 1\nprofile = "eastron-sdm630"\n[[node]]',
            "bus[1]: device: meter-2 and b are both unit 1; give each its own",
        ),
        ("unit = 1", 'unit = "1"', ":11: bus[1].device[1].unit: '1' must be a whole number"),
        ("unit = 1", "unit = 256", ":11: bus[1].device[1].unit: 256: input should be less than or equal to 255"),
        ("unit = 1", "unt = 1", ':11: bus[1].device[1].unt: unknown key "unt"; did you mean "unit"?'),
        ("sdm630", "smd630", ':12: bus[1].device[1].profile: unknown profile "eastron-smd630"; did you mean'),
        ("d75a98", "zz", ":17: node[1].public_key: write the 64 hexadecimal digits"),
        ('"meter-1"', '"meter-2"', 'device "meter-2" is used twice'),
        ('"meter-1"', '"-x"', ":18: node[1].devices[1]: a name has 1 to 48"),
        ('kind = "mqtt"', 'kind = "kafka"', ':22: sink[1].kind: unknown kind "kafka"; known: mqtt,'),
        ("mqtt://127", "http://127", ':23: sink[1].url: a sink of kind mqtt needs one such as "mqtts://HOST:PORT"'),
        ("mqtt://127", "tcp://127", ":23: sink[1].url: a sink of kind mqtt needs one such as"),
        (
            "[[node]]",
            '[web]\n[[web.flow]]\nkind = "grid"\ndevice = "x"\n[[node]]',
            'web.flow[1].device: unknown device "x"',
        ),
        (
            "[[sink]]",
            '[[retention]]\ndevices = ["x"]\ndays = 1\n[[sink]]',
            'retention[1].devices[1]: unknown device "x"',
        ),
        ("[[sink]]", '[[retention]]\ndevices = ["meter-1"]\n[[sink]]', "limits nothing; write days = N"),
        ("[[sink]]", '[limits.overload]\nx = "discard-oldest"\n[[sink]]', 'limits.overload.x: unknown device "x"'),
        ("[[sink]]", '[limits.overload]\nmeter-1 = "discard-oldest"\n[[sink]]', "signs its packs itself"),
        ("[[sink]]", '[limits.overload]\nmeter-9 = "drop"\n[[sink]]', "'discard-oldest', 'reduce-fidelity'"),
        ("unit = 1", "unit = 1\nreport_ms = 500", ":9: bus[1].device[1]: report_ms = 500 is shorter than poll_ms"),
    ],
)
def test_an_error_says_where_what_and_what_instead(tmp_path: Path, old: str, new: str, expected: str):
    text = GOOD.replace(old, new, 1)
    assert text != GOOD
    problems = problems_of(tmp_path, text)
    assert any(expected in problem for problem in problems), problems


def test_all_errors_are_told_at_once(tmp_path: Path):
    text = GOOD.replace("unit = 1", "unit = 256").replace("d75a98", "zz").replace("tcp:", "tpc:")
    assert len(problems_of(tmp_path, text)) == 3


def test_a_syntax_error_has_its_line(tmp_path: Path):
    (problem,) = problems_of(tmp_path, GOOD.replace("unit = 1", "unit = = 1"))
    assert "is not TOML" in problem and "line 11" in problem


BUS = '[[bus]]\nname = "b"\nendpoint = "tcp://h"\n'
DEVICE = 'name = "m"\nunit = 1\nprofile = "sunspec"\n'
BRACKETS = {
    "of a device": (f"{BUS}[bus.device]\n{DEVICE}", ":6: bus[1].device: write [[bus.device]], in two brackets"),
    "of two": (
        f"{BUS}[bus.device]\n{DEVICE}[bus.device]\n{DEVICE}",
        ":10: [bus.device] is here a second time: write [[",
    ),
    "of the second": (
        f"{BUS}[[bus.device]]\n{DEVICE}[bus.device]\n{DEVICE}",
        ":10: [bus.device] is here a second time",
    ),
    "of a bus": (BUS.replace("[[bus]]", "[bus]"), ":3: bus: write [[bus]], in two brackets"),
    "of the first bus": (
        BUS.replace("[[bus]]", "[bus]") + BUS,
        ":6: an earlier [bus] has one bracket: write [[bus]] there",
    ),
    "of a bus that is missing": (f"[[bus.device]]\n{DEVICE}", ":3: bus: write [[bus]], in two brackets, before each"),
    "dotted": (f"{BUS}device.unit = 1", ":6: bus[1].device: write [[bus.device]]"),
    "of one": ('[[web]]\nlisten = "127.0.0.1:1"', ":3: web: write [web], in one bracket, for there can be one"),
    "of one twice": ("[web]\n[[web.flow]]\n[web]", ":5: [web] is here a second time, and there can be one"),
    "of one in two brackets": ("[[site]]", ":3: [site] is here a second time, and there can be one: in one bracket"),
    "of a dictionary": ('[[limits.overload]]\nm = "x"', ":3: limits.overload: write [limits.overload], in one bracket"),
    "of nobody": (f"[[device]]\n{DEVICE}", ':3: device: unknown key "device"'),
    "one bracket short": (f"[[bus.device]\n{DEVICE}", ":3: is not TOML: Expected ']]'"),
}


@pytest.mark.parametrize("what", BRACKETS)
def test_brackets_are_explained(tmp_path: Path, what: str) -> None:
    text, said = BRACKETS[what]
    problems = problems_of(tmp_path, f'[site]\nname = "a.example"\n{text}')
    assert problems[-1].startswith(said), problems
    assert all(problem.startswith(":") and problem[1].isdigit() for problem in problems)


SLIPS = {
    # After public reports of users of other programs with such files.
    "a key below the head of an inner table": (
        f'[[bus]]\nname = "b"\n[[bus.device]]\n{DEVICE}endpoint = "tcp://h"',
        ':9: bus[1].device[1].endpoint: unknown key "endpoint"; it is a key of [[bus]]: write it before the first [[',
    ),
    "a key twice": (f"{BUS}[[bus.device]]\n{DEVICE}unit = 2", ":10: unit is here a second time in its table: keep one"),
    "a text without quotes": (
        "[web]\nlisten = here",
        ":4: is not TOML: Invalid value (at line 4, column 10); a text stands",
    ),
    "a switch of another language": ("[[bus]]\nproxy_writes = True", "a switch is true or false"),
    "curly quotes": ("[[radio]]\nname = \u201cabc\u201d", ":4: is not TOML: Invalid value"),
    "a comma in a number": ("[limits]\ncpu_percent = 1,5", "a number has a point and no comma"),
    "a path of another system": ('[[radio]]\nport = "C:\\Users\\x"', ":4: is not TOML: Invalid hex value"),
    "another path": ('[[radio]]\nport = "C:\\x"', "write a text with \\ in it in single quotes"),
    "a text that does not end": (
        '[[radio]]\nname = "abc\nport = "x"',
        "a text ends with the quotes that it began with",
    ),
    "a table in braces over two lines": ("[[adapter]]\noptions = {a = 1,\n b = 2}", ":4: is not TOML: Invalid initial"),
    "a comma before the brace": ("[[adapter]]\noptions = {a = 1,}", "stands on one line and has no comma before the }"),
    "a brace on another line": ("[[adapter]]\noptions = {a = 1\n}", "a table in { } stands on one line"),
    "one port for two servers": (
        '[log]\nhttp = "127.0.0.1:9090"\n[web]\nlisten = "0.0.0.0:9090"\nusers_file = "u"',
        ':6: web.listen: listening port "9090" is used twice, also in log.http',
    ),
    "two meters at one port, each as a bus": (
        BUS.replace("tcp://h", "rtu:///dev/x")
        + f"[[bus.device]]\n{DEVICE}"
        + (BUS.replace("tcp://h", "rtu:///dev/x") + f"[[bus.device]]\n{DEVICE}")
        .replace('"b"', '"c"')
        .replace('"m"', '"n"'),
        ':12: bus[2].endpoint: port "/dev/x" is used twice, also in bus[1].endpoint; one port is one bus: put its',
    ),
}


@pytest.mark.parametrize("what", SLIPS)
def test_a_slip_is_told_with_what_to_write(tmp_path: Path, what: str) -> None:
    text, said = SLIPS[what]
    problems = problems_of(tmp_path, f'[site]\nname = "a.example"\n{text}')
    assert said in problems[-1], problems


def test_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    """Some characters end a line for Python and for nobody else."""
    for odd in ("\u2028", "\x85"):
        text = GOOD.replace('name = "demo.example"', f'name = "demo.example"  # {odd}')
        assert problems_of(tmp_path, text.replace("unit = 1", "unt = 1"))[-1].startswith(":11: ")


def test_servers_on_two_addresses_may_have_one_port(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text('[site]\nname = "a.example"\n[log]\nhttp = "10.0.0.1:80"\n[web]\nlisten = "127.0.0.1:80"\n')
    assert config.load(path).log.http == ("10.0.0.1", 80)


def test_a_missing_a_binary_and_an_unreadable_file_are_explained(tmp_path: Path):
    with pytest.raises(config.SiteFileError, match="cannot be read"):
        config.load(tmp_path / "none.toml")
    with pytest.raises(config.SiteFileError, match="cannot be read"):
        config.load(tmp_path)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(config.SiteFileError, match="UTF-8"):
        config.load(binary)


def test_the_example_is_good_and_says_every_key():
    path = Path(__file__).parents[2] / "docs" / "site.example.toml"
    site = config.load(path)
    wireless = (site.radio[0], site.radio[0].sensor[0], site.ble[0], site.ble[0].sensor[0])
    wireless += (site.ble[0].environment[0],)
    first = (site.bus[0], site.bus[0].device[0], site.witness[0], site.journal[0], site.retention[0])
    tables = (site, site.web, site.web.flow[0], site.log, site.limits, *first)
    for table in (*tables, *wireless):
        assert table.model_fields_set == set(type(table).model_fields)
    adapter = site.adapter[0]  # it has a device or a name
    assert adapter.model_fields_set | {"name", "url", *Client.model_fields} == set(type(adapter).model_fields)
    # No device of ours that the example could have has a timer of its own; the key stands there as a comment.
    assert site.actuator[0].model_fields_set | {"timer"} == set(type(site.actuator[0]).model_fields)
    assert {name for node in site.node for name in node.model_fields_set} == set(config.NodeTable.model_fields)
    assert {name for sink in site.sink for name in sink.model_fields_set} == set(config.SinkTable.model_fields)


def test_in_the_schema_what_is_parsed_is_the_text_that_people_write() -> None:
    schema = config.SiteFile.model_json_schema()

    def types(table: str, key: str) -> set[str]:
        found = schema["$defs"][table]["properties"][key]
        return {each["type"] for each in found.get("anyOf", [found])} - {"null"}

    for table, keys in {
        "BusTable": "endpoint",
        "NodeTable": "port public_key ca_file password_file",
        "RemoteTable": "url key_file",
        "WebTable": "listen users_file cert_file",
        "LogTable": "http",
        "WitnessTable": "vkey",
        "JournalFolder": "junction_file",
        "LoraSensor": "key_file public_key",
    }.items():
        assert [types(table, key) for key in keys.split()] == [{"string"}] * len(keys.split()), table
    assert schema["$defs"]["WebTable"]["properties"]["listen"]["default"] == "127.0.0.1:8480"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ('[[radio.sensor]]\nname="b"\ndevice="b"\nnumber=12\nkey_file="k"\nchannels=[]', "channels"),
        ('[[ble]]\n[[ble.sensor]]\ndevice="r"\naddress="54:48"', "54:48:E6:8F:80:A5"),
        (
            '[[ble]]\n[[ble.environment]]\ndevice="e"\naddress="54:48:E6:8F:80:A5"\nchannels=["temp"]',
            'channels.*unknown channel "temp"; known',
        ),
        ('[[ble]]\n[[ble.sensor]]\ndevice="a"\naddress="54:48:E6:8F:80:A5"', "used twice"),
        (
            '[[radio.sensor]]\nname="b"\ndevice="b"\nnumber=12\nkey_file="k"\n'
            'channels=[{name="t",unit="Cel",exponent=-2}]',
            "12 is used twice",
        ),
    ],
)
def test_wireless_sensors_that_cannot_be(tmp_path, wrong, said):
    good = '[site]\nname="x"\n[[radio]]\nname="m"\nport="/dev/x"\nnetwork=1\n[[radio.sensor]]\nname="a"\ndevice="a"\n'
    good += 'number=12\nkey_file="k"\nchannels=[{name="t",unit="Cel",exponent=-2}]\n'
    path = tmp_path / "site.toml"
    path.write_text(good)
    assert list(config.load(path).expected()) == ["a"]
    path.write_text(good + wrong)
    with pytest.raises(config.SiteFileError, match=said):
        config.load(path)


def test_check_names_the_extra_that_is_absent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    site = tmp_path / "site.toml"
    site.write_text('[site]\nname = "a.example"\n[log]\nhttp = "127.0.0.1:8430"\n')
    assert main(["check", str(site)]) == 0
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["check", str(site)]) == 1
    assert "[log] http needs the package aiohttp; install the extra: pip install" in capsys.readouterr().err


def test_check_names_the_files_that_are_absent(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "site.toml"
    path.write_text(GOOD + 'ca_file = "ca.pem"\n')
    assert main(["check", str(path)]) == 1
    file = tmp_path / "secrets" / "tls" / "ca.pem"
    assert f"{path}: sink[1].ca_file: {file}: is not there" in capsys.readouterr().err
    file.parent.mkdir(parents=True)
    file.touch()
    assert main(["check", str(path)]) == 0


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(GOOD, encoding="utf-8-sig")
    assert config.load(path).site.name == "demo.example"
    path.write_text(GOOD.replace('name = "cabinet"', 'nam = "cabinet"'), encoding="utf-8-sig")
    with pytest.raises(config.SiteFileError, match=r"site.toml:6: .*nam: "):
        config.load(path)


def test_a_ratio_is_shown_without_a_warning(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    path = tmp_path / "site.toml"
    path.write_text(
        '[site]\nname = "test.example"\n[[bus]]\nname = "b"\nendpoint = "tcp://127.0.0.1:1"\n[[bus.device]]\n'
        'name = "m"\nunit = 1\nprofile = "chint-dtsu666-ct"\nct_ratio = "5/3"\n'
    )
    assert "bus.b.device.m.ct_ratio = '5/3'" in settings(config.load(path))
    assert not list(recwarn)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('ct_ratio = "250/5"', "ct_ratio: profile eastron-sdm630: no channel has to be multiplied by ct_ratio"),
        ("vt_ratio = 2", "vt_ratio: profile eastron-sdm630: no channel has to be multiplied by vt_ratio"),
        ("part = 2", "part: profile eastron-sdm630: part = 2: the device has 1; remove it"),
    ],
)
def test_what_does_not_fit_the_profile_is_told_at_its_own_key(tmp_path: Path, line: str, text: str) -> None:
    profile = 'profile = "eastron-sdm630"'
    [problem] = problems_of(tmp_path, GOOD.replace(profile, f"{profile}\n{line}"))
    assert problem.startswith(f":13: bus[1].device[1].{text}")


def test_a_ratio_that_is_missing_is_told_of_the_device(tmp_path: Path) -> None:
    [problem] = problems_of(tmp_path, GOOD.replace('profile = "eastron-sdm630"', 'profile = "chint-dtsu666-ct"'))
    assert "bus[1].device[1]: " in problem and "ct_ratio" in problem


def test_a_ratio_that_is_swapped_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "site.toml"
    for ratio, is_odd in (("5/250", True), ("250/5", False), ("5/5", False)):
        path.write_text(
            '[site]\nname = "test.example"\n[[bus]]\nname = "b"\nendpoint = "tcp://127.0.0.1:1"\n[[bus.device]]\n'
            f'name = "m"\nunit = 1\nprofile = "chint-dtsu666-ct"\nct_ratio = "{ratio}"\n'
        )
        assert main(["check", str(path)]) == 0
        assert ("is it swapped?" in capsys.readouterr().out) == is_odd


KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
MORE = {
    "a bus": (
        '[[bus]]\nname = "cabinet"\nendpoint = "tcp://h"\ndevice = [{name = "b", unit = 1, profile = "sunspec"}]',
        1,
    ),
    "a unit": (
        '[[bus]]\nname = "b"\nendpoint = "tcp://127.0.0.1"\n[[bus.device]]\nname = "b"\nunit = 1\nprofile = "sunspec"',
        5,
    ),
    "a port": ('[[radio]]\nname = "r"\nnetwork = 1\nport = "/dev/./ttyACM0"', 3),
    "a node": ('[[node]]\nname = "node-1"\nport = "/dev/x"\ndevices = ["b"]', 1),
    "a node's key": (f'[[node]]\nname = "n"\nport = "/dev/x"\ndevices = ["b"]\npublic_key = "{KEY}"', 4),
    "a device": (
        '[[adapter]]\ndevice = "meter-1"\nkind = "w1_thermometer"\noptions.thermometers = {a = "28-3c01d607ed5c"}',
        1,
    ),
    "a proxy's port": (
        '[web]\nlisten = "localhost:5020"\n[[bus]]\nname = "b"\nendpoint = "tcp://h"\nproxy_port = 5020\n'
        '[[bus.device]]\nname = "b"\nunit = 1\nprofile = "sunspec"',
        5,
    ),
    "where tiles are served": ('[log]\nhttp = "127.0.0.1:8480"\n[web]\nlisten = "localhost:8480"', 3),
    "a journal": ('[[journal]]\nfolder = "j"\nname = "meter-2"', 2),
    "a sink": ('[[sink]]\nkind = "mqtt"\nurl = "mqtt://h"\nname = "city"', 3),
    "retention": ('[[retention]]\ndays = 1\ndevices = ["meter-1"]\n[[retention]]\ndays = 2\ndevices = ["meter-1"]', 5),
    "a flow": ('[[web.flow]]\nkind = "grid"\ndevice = "x"', 2),
    "a flow's channel": ('[[web.flow]]\nkind = "grid"\ndevice = "meter-2"\nchannel = "volts"', 3),
    "an overload": ('[limits.overload]\nx = "discard-oldest"', 1),
}


@pytest.mark.parametrize("what", MORE)
def test_a_fault_of_the_whole_file_has_the_line_of_the_key_that_has_to_change(tmp_path: Path, what: str) -> None:
    text, line = MORE[what]
    [problem] = problems_of(tmp_path, GOOD + text)
    assert problem.startswith(f":{len(GOOD.splitlines()) + 1 + line}: "), problem


def test_what_a_table_carries_is_shown_as_it_was_written() -> None:
    """Endpoints, keys, addresses and files are parsed; whoever is shown the settings reads the words of the file."""
    path = Path(__file__).parents[2] / "docs" / "site.example.toml"
    shown = config.load(path).model_dump(mode="json", exclude_unset=True)
    written = tomllib.loads(path.read_text())
    for device in written["bus"][0]["device"]:
        device |= {key: str(device[key]) for key in ("ct_ratio", "vt_ratio") if key in device}  # a number or a text
    for actuator in written["actuator"]:
        actuator["fail_safe"] = str(actuator["fail_safe"])  # an exact decimal, or a word
    assert shown == written

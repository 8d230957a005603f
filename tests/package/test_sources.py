"""What is fetched from registries is compared with its hash before anything of it runs, and nothing else is taken."""

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

import debian_chain  # tools/ are scripts, no package
import simple_index
import sources

NAME = "hostile_pack-1.0.tar.gz"


def hostile(marker: Path) -> bytes:
    """A source distribution whose code writes `marker`, as setup.py and as a build backend."""
    code = f"open({str(marker)!r}, 'a').write('ran')\n"
    files = {
        "setup.py": code + "from setuptools import setup\nsetup(name='hostile-pack', version='1.0')\n",
        "backend.py": code,
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "PKG-INFO": "Metadata-Version: 2.1\nName: hostile-pack\nVersion: 1.0\n",
    }
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, text in files.items():
            about = tarfile.TarInfo(f"hostile_pack-1.0/{name}")
            about.size = len(text)
            archive.addfile(about, io.BytesIO(text.encode()))
    return data.getvalue()


@contextmanager
def served(pages: dict[str, tuple[str, bytes]]) -> Iterator[tuple[str, list[str]]]:
    """The address of a server of these pages, and the paths that it was asked for with the Authorization of each."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.path} {self.headers.get('Authorization', '')}".strip())
            kind, body = pages.get(self.path, ("", b""))
            self.send_response(200 if kind else 404)
            self.send_header("Content-Type", kind or "text/plain")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def html(data: bytes) -> tuple[str, bytes]:
    return "text/html", (
        b"<!DOCTYPE html><html><body><a href='../../files/other-1.0.tar.gz'>other</a>"
        b"<a href='../../files/" + NAME.encode() + b"#sha256=0000'>" + NAME.encode() + b"</a></body></html>"
    )


def as_json(data: bytes) -> tuple[str, bytes]:
    files = [{"filename": NAME, "url": f"/files/{NAME}", "hashes": {}}]
    return "application/vnd.pypi.simple.v1+json", json.dumps({"meta": {}, "files": files}).encode()


@pytest.fixture
def only_index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Sets pip up as these PIP_ variables say, and as nothing else does."""
    (tmp_path / "pip.conf").write_text("")

    def set_up(**variables: str) -> None:
        monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
        for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
            monkeypatch.setenv(name, "")
        for name, value in variables.items():
            monkeypatch.setenv(f"PIP_{name.upper()}", value)

    return set_up


@pytest.mark.parametrize("page", [html, as_json])
def test_a_source_distribution_is_fetched_by_its_hash_and_nothing_of_it_runs(
    tmp_path: Path, only_index: Callable[..., None], page: Callable[[bytes], tuple[str, bytes]]
):
    marker, out = tmp_path / "marker", tmp_path / "out"
    out.mkdir()
    data = hostile(marker)
    sha256 = hashlib.sha256(data).hexdigest()
    pages = {"/simple/hostile-pack/": page(data), f"/files/{NAME}": ("application/octet-stream", data)}
    with served(pages) as (address, asked):
        only_index(index_url=f"{address.replace('http://', 'http://ann:pw@')}/simple")
        sources._pypi(sources.PypiSource("hostile_pack", "1.0", sha256), out)
        assert (out / "setup.py").exists() and not marker.exists()
        assert all(" Basic YW5uOnB3" in each for each in asked), "as pip logs in"
        with pytest.raises(sources.SourceError, match=f"has SHA-256 {sha256}, pinned is {'0' * 64}: do not use it"):
            sources._pypi(sources.PypiSource("hostile_pack", "1.0", "0" * 64), tmp_path / "none")
        with pytest.raises(sources.SourceError, match=r"has no hostile_pack-2\.0\.tar\.gz") as raised:
            sources._pypi(sources.PypiSource("hostile_pack", "2.0", sha256), tmp_path / "none")
        assert "pw@" not in str(raised.value)
    assert not marker.exists() and not (tmp_path / "none").exists()


def test_folders_and_local_indexes_are_looked_into_as_pip_does(tmp_path: Path, only_index: Callable[..., None]):
    data = hostile(tmp_path / "marker")
    sha256 = hashlib.sha256(data).hexdigest()
    page = tmp_path / "index" / "hostile-pack"
    page.mkdir(parents=True)
    (page / "index.html").write_text(f'<a href="{NAME}">{NAME}</a>')
    (page / NAME).write_bytes(data)
    for variables in ({"index_url": (tmp_path / "index").as_uri()}, {"find_links": str(page), "no_index": "1"}):
        only_index(**variables)
        assert simple_index.fetch("Hostile.Pack", NAME, sha256, tmp_path).read_bytes() == data
    (page / "index.html").unlink()
    only_index(index_url="ftp://127.0.0.1/simple")
    with pytest.raises(simple_index.NotHadError, match="neither https, http nor file"):
        simple_index.fetch("hostile-pack", NAME, sha256, tmp_path)


def test_pip_compares_the_hash_of_a_source_distribution_before_it_runs_its_code(tmp_path: Path):
    """What tools/setup.sh relies on for those that it installs."""
    marker = tmp_path / "marker"
    data = hostile(marker)
    (tmp_path / NAME).write_bytes(data)

    def install(sha256: str) -> str:
        (tmp_path / "lock.txt").write_text(f"hostile-pack==1.0 --hash=sha256:{sha256}\n")
        words = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-index", "--no-deps"]
        words += ["--find-links", str(tmp_path), "--no-build-isolation", "--require-hashes", "--no-cache-dir"]
        words += ["--target", str(tmp_path / "target"), "-r", str(tmp_path / "lock.txt")]
        return subprocess.run(words, capture_output=True, text=True).stderr

    assert "DO NOT MATCH THE HASHES" in install("0" * 64) and not marker.exists()
    install(hashlib.sha256(data).hexdigest())
    assert marker.exists(), "it runs, once its hash is right: so this test can fail"


# --- Debian's archive ---

SOURCES = """Package: other
Version: 1
Checksums-Sha256:
 {other} 3 lib_1.orig.tar.gz

Package: lib
Version: 2-1
Files:
 900150983cd24fb0d6963f7d28e17f72 3 lib_2.orig.tar.gz
Checksums-Sha256:
 {right} 3 lib_2.orig.tar.gz
 {other} 3 lib_2-1.dsc
"""


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def archive(folder: Path, index: str, listed: str = "", around: str = "") -> Path:
    """apt's lists with one Sources index; `listed`: what InRelease says of it, `around`: what is not signed."""
    lists = folder / "lists"
    lists.mkdir(exist_ok=True)
    digest = listed or sha256(index.encode())
    (lists / "deb.example_dists_x_InRelease").write_text(
        f"{around}-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nSuite: x\nMD5Sum:\n 00 1 main/source/Sources\n"
        f"SHA256:\n {digest} 1 main/source/Sources\n {'0' * 64} 1 contrib/source/Sources\n"
        "-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\n"
    )
    (lists / "deb.example_dists_x_main_source_Sources").write_text(index)
    return lists


def test_the_chain_from_the_signed_file_to_the_tarball(tmp_path: Path):
    index = SOURCES.format(right=sha256(b"abc"), other=sha256(b"xyz"))
    listed = debian_chain.sources_of(archive(tmp_path, index), "lib")
    assert [each.version for each in listed] == ["2-1"]
    tarball = tmp_path / "lib_2.orig.tar.gz"
    tarball.write_bytes(b"abc")
    debian_chain.check(tarball, listed, "2-1")
    for version, content in (("2-2", b"abc"), ("2-1", b"abd"), ("2-1", b"xyz")):
        tarball.write_bytes(content)
        with pytest.raises(debian_chain.ChainError, match="the signed index says"):
            debian_chain.check(tarball, listed, version)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"listed": "0" * 64}, "InRelease says"),
        ({"around": f"SHA256:\n {sha256(b'forged')} 1 main/source/Sources\n"}, "is no clear-signed message"),
    ],
)
def test_an_index_that_was_not_signed_is_not_used(tmp_path: Path, change: dict[str, str], said: str):
    with pytest.raises(debian_chain.ChainError, match=said):
        debian_chain.sources_of(archive(tmp_path, "forged", **change), "lib")


def test_a_version_that_nobody_looked_at_is_told_and_an_accepted_one_has_to_be_the_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    tarball = tmp_path / "lib_2.orig.tar.gz"
    tarball.write_bytes(b"abc")
    floating = sources.DebianSource("lib", "", {"2-1": sha256(b"abc")})
    sources._check_accepted(floating, "2-1", tarball)
    assert capsys.readouterr().err == ""
    sources._check_accepted(floating, "2-1+deb13u1", tarball)
    assert f'"2-1+deb13u1": "{sha256(b"abc")}",' in capsys.readouterr().err
    tarball.write_bytes(b"abd")
    with pytest.raises(sources.SourceError, match="pinned is"):
        sources._check_accepted(floating, "2-1", tarball)
    with pytest.raises(sources.SourceError, match="no accepted hash"):
        sources._check_accepted(floating._replace(version="3"), "3", tarball)


def test_every_source_has_a_hash():
    for source in (sources.MICROPYTHON, sources.MBEDTLS):
        assert source.sha256 and all(len(each) == 64 for each in source.sha256.values())
        assert not source.version or source.version in source.sha256
    for archive_ in (sources.PICO_SDK, sources.TINYUSB, sources.MONOCYPHER):
        assert len(archive_.sha256) == 64

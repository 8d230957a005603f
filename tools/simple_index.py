"""Fetch one file of a package from the index that pip is set up for, by its hash, and run nothing of it.

`pip download` runs a source distribution's own code to ask for its metadata, before anybody has compared a hash
(as root, in a container). So the file is looked up in the simple index (PEP 503 as HTML, PEP 691 as JSON) and fetched
here; which index that is stays pip's to say, by its configuration files, its PIP_ variables or its default.
"""

import ast
import base64
import hashlib
import json
import re
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urldefrag, urljoin, urlsplit, urlunsplit

_TIMEOUT_S = 60.0
_MOST_INDEX = 16 * 1024 * 1024  # bytes
_MOST_FILE = 256 * 1024 * 1024
_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_SOURCES = (":env:", "download", "global")  # pip's order, the strongest first


class NotHadError(Exception):
    """A file that cannot be had; the text says what to do."""


class Settings(NamedTuple):
    """What pip's configuration says: indexes and folders or pages with links, in order; trust and proxy."""

    indexes: tuple[str, ...]
    links: tuple[str, ...]
    trusted: tuple[str, ...]
    authorities: str = ""
    proxy: str = ""


def fetch(project: str, file_name: str, sha256: str, folder: Path) -> Path:
    """The file `file_name` of `project`, in `folder`, its SHA-256 compared. NotHadError says why there is none."""
    settings = pip_settings()
    problems = []
    for page in _pages(settings, project):
        try:
            links = list(_links(page, settings))
        except (OSError, ValueError) as error:
            problems.append(f"{_shown(page)}: {error}")
            continue
        for link in links:
            url = urldefrag(link).url
            if unquote(url.rpartition("/")[2]) != file_name:
                continue
            try:
                data = _get(url, settings, _MOST_FILE)[0]
            except (OSError, ValueError) as error:
                problems.append(f"{_shown(url)}: {error}")
                continue
            found = hashlib.sha256(data).hexdigest()
            if found != sha256:
                raise NotHadError(
                    f"{file_name} has SHA-256 {found}, pinned is {sha256}: do not use it, tell the maintainers"
                )
            path = folder / file_name
            path.write_bytes(data)
            return path
        problems.append(f"{_shown(page)}: has no {file_name}")
    raise NotHadError(f"{file_name} cannot be had from pip's index: {'; '.join(problems) or 'none is set'}")


def pip_settings() -> Settings:
    """Of the pip that runs under this Python."""
    found: dict[str, dict[str, str]] = {}
    for line in _pip("config", "list").splitlines():
        where, separator, value = line.partition("=")
        section, _, key = where.strip().rpartition(".")
        if separator and section in _SOURCES:
            found.setdefault(key.replace("_", "-"), {})[section] = str(ast.literal_eval(value))

    def get(key: str) -> str:
        values = found.get(key, {})
        return next((values[source] for source in _SOURCES if source in values), "")

    main = get("index-url") or _default_index()
    is_off = get("no-index").lower() in ("1", "true", "yes", "on")
    indexes = () if is_off else (main, *get("extra-index-url").split())
    links = tuple(get("find-links").split())
    return Settings(indexes, links, tuple(get("trusted-host").split()), get("cert"), get("proxy"))


def _default_index() -> str:
    """pip's own, from its help."""
    told = re.sub(r"\s+", " ", _pip("download", "--help"))
    default = re.search(r"--index-url <url> .*?\(default (\S+?)\)", told)
    if not default:
        raise NotHadError("pip does not say which index it uses; set PIP_INDEX_URL")
    return default[1]


def _pip(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *words], capture_output=True, text=True
    )
    if done.returncode:
        raise NotHadError(f"pip {words[0]} failed: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout


def _pages(settings: Settings, project: str) -> Iterator[str]:
    """Where links to the project's files are, as URLs."""
    for place in settings.links:
        yield place if "://" in place else Path(place).absolute().as_uri()
    name = re.sub(r"[-_.]+", "-", project).lower()  # PEP 503, Normalized Names
    for index in settings.indexes:
        yield f"{index.rstrip('/')}/{name}/"


def _links(page: str, settings: Settings) -> Iterator[str]:
    if page.startswith("file:"):
        path = Path(unquote(urlsplit(page).path))
        if path.is_dir() and not (path / "index.html").exists():
            yield from (each.as_uri() for each in sorted(path.iterdir()) if each.is_file())
            return
        page = (path / "index.html" if path.is_dir() else path).as_uri()
    data, kind = _get(page, settings, _MOST_INDEX)
    if kind == "application/vnd.pypi.simple.v1+json":
        for file in json.loads(data)["files"]:
            yield urljoin(page, file["url"])
        return
    anchors = _Anchors()
    anchors.feed(data.decode(errors="replace"))
    for href in anchors.found:
        yield urljoin(anchors.base or page, href)


class _Anchors(HTMLParser):
    """The links of a page, and the address that they start from when it names one."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.base = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href")
        if href and tag == "a":
            self.found.append(href)
        elif href and tag == "base":
            self.base = href


def _get(url: str, settings: Settings, most: int) -> tuple[bytes, str]:
    """What a URL holds, and its media type. OSError, or ValueError: no such URL, or over `most` bytes."""
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http", "file"):
        raise ValueError("is neither https, http nor file")
    secure = urllib.request.HTTPSHandler(context=_context(parts.hostname, settings))
    handlers: list[urllib.request.BaseHandler] = [secure]
    if settings.proxy:
        handlers.append(urllib.request.ProxyHandler(dict.fromkeys(("http", "https"), settings.proxy)))
    headers = {"Accept": _ACCEPT, "User-Agent": "wayside-setup"}
    if parts.username is not None and parts.scheme != "file":
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(user.encode()).decode()}"
        url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.build_opener(*handlers).open(request, timeout=_TIMEOUT_S) as answer:
        data = answer.read(most + 1)
        if len(data) > most:
            raise ValueError(f"is over {most} bytes")
        return data, answer.headers.get_content_type()


def _context(host: str | None, settings: Settings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.authorities or None)
    if host in [each.partition(":")[0] for each in settings.trusted]:
        # As pip does for a host that it is told to trust. What comes is judged by its hash.
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _shown(url: str) -> str:
    """Without a user and a password, and without what a proxy of an index may keep in its path."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/.../{parts.path.rstrip('/').rpartition('/')[2]}"

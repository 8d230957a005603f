"""Who the far side of a part is, and how the gateway shows itself there: files of the site as a client uses them."""

from collections.abc import Mapping
from pathlib import Path

from wayside import secret_files
from wayside.certificates import Certificates, KnownTime
from wayside.client import Client
from wayside.north.broker import Broker
from wayside.north.tls import Tls
from wayside.secret_files import Secrets
from wayside.table import Table


class Clients:
    """Of the site whose files are `secrets`. ConfigError from its methods: a file cannot be used."""

    def __init__(self, secrets: Secrets, known_time: KnownTime):
        self._secrets = secrets
        self._known_time = known_time

    def broker(self, url: str, settings: Client, certificates: Certificates) -> Broker:
        """The broker at `url`, with the files and names of `settings`."""
        tls = self.tls(settings, certificates) if url.startswith("mqtts:") else None
        return Broker.from_url(url, username=settings.username, password=self.password(settings), tls=tls)

    def password(self, settings: Client) -> str | None:
        use = secret_files.use_of(settings, "password_file")
        return self._secrets.password(use) if use else None

    def tls(self, settings: Client, certificates: Certificates) -> Tls:
        """`certificates`: are shown the far side's."""
        files = self.files(settings, {key: key for key in ("ca_file", "cert_file", "key_file")})
        named = (files.get("ca_file"), files.get("cert_file"), files.get("key_file"))
        return Tls(*named, at_least_ms=self._known_time.at_least_ms, saw=certificates.saw)

    def certificates(self, part: str, settings: Client) -> Certificates:
        return Certificates(part, self.files(settings, {"client": "cert_file", "authority": "ca_file"}))

    def files(self, settings: Table, keys: Mapping[str, str]) -> dict[str, Path]:
        """The files that `settings` names under `keys`, those that it does name, by what they are."""
        found = {what: secret_files.use_of(settings, key) for what, key in keys.items()}
        return {what: self._secrets.path(use) for what, use in found.items() if use}

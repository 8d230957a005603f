"""Who the far side of a part is, and how the gateway shows itself there: files of the site as a client uses them."""

from collections.abc import Callable
from pathlib import Path

from wayside.net.endpoint import BrokerPlace
from wayside.net.mqtt.broker import Broker
from wayside.net.mqtt.inlet import TooLarge
from wayside.net.mqtt.session import MqttSession
from wayside.net.mqtt.tls import Tls
from wayside.settings.client import Client
from wayside.settings.secret_role import SecretFile
from wayside.site.certificates import KnownTime, PartCertificates
from wayside.site.secret_files import Secrets, Use


class Clients:
    """Of the site whose files are `secrets`. SiteFileError from its methods: a file cannot be used."""

    def __init__(self, secrets: Secrets, known_time: KnownTime):
        self._secrets = secrets
        self._known_time = known_time

    def session(
        self, place: BrokerPlace, settings: Client, certificates: PartCertificates, client_id: str, largest: int
    ) -> Callable[[Callable[[TooLarge], None]], MqttSession]:
        """What makes a connection to a broker; it is given who is told of messages of more than `largest` bytes."""
        tls = self.tls(settings, certificates) if place.is_tls else None
        broker = Broker.at(place, username=settings.username, password=self.password(settings), tls=tls)
        return lambda on_too_large: MqttSession(broker, client_id, largest=largest, on_too_large=on_too_large)

    def password(self, settings: Client) -> str | None:
        file = settings.password_file
        return self._secrets.password(Use(file, settings.password_goes_to())) if file else None

    def tls(self, settings: Client, certificates: PartCertificates) -> Tls:
        """`certificates`: are shown the far side's."""
        ca_file, cert_file, key_file = map(self.path, (settings.ca_file, settings.cert_file, settings.key_file))
        return Tls(ca_file, cert_file, key_file, at_least_ms=self._known_time.at_least_ms, saw=certificates.saw)

    def certificates(self, part: str, settings: Client) -> PartCertificates:
        named = {"client": settings.cert_file, "authority": settings.ca_file}
        return PartCertificates(part, {what: path for what, file in named.items() if (path := self.path(file))})

    def path(self, file: SecretFile | None) -> Path | None:
        """Where a file is, for those who open it themselves; None for none."""
        return self._secrets.path(Use(file)) if file else None

    def radio_key(self, file: SecretFile | None) -> bytes | None:
        return self._secrets.radio_key(Use(file)) if file else None

    def digest(self, file: SecretFile) -> bytes:
        """See Secrets.digest."""
        return self._secrets.digest(Use(file))

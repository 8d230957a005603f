"""`webhook`: each batch as one POST. It knows no users: a password is its bearer token."""

from typing import TYPE_CHECKING

from wayside.north import sinks
from wayside.settings.config_values import webhook_url

if TYPE_CHECKING:
    from wayside.north.sink import Sink, SinkLog


class Kind(sinks.SinkKind):
    schemes = ("http", "https")
    example = "https://HOST/PATH"
    has_users = False

    def check(self, url: str) -> str:
        return webhook_url(url)

    def make(self, far_side: sinks.FarSide, log: "SinkLog") -> "Sink":
        from wayside.north.webhook import Hook, Webhook

        return Webhook(Hook(far_side.url, far_side.password, far_side.tls), log)

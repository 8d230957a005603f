"""The table `[remote]` of a site file. What it asks for is made in `kinds.remote`."""

from wayside.client import Client
from wayside.config_values import BrokerUrl
from wayside.part import Settings


class Remote(Client, Settings):
    """The broker by which operators may change this file from afar (`wayside keys operator`, `wayside config push`)."""

    url: BrokerUrl

    def title(self) -> str:
        return "remote"

    def password_goes_to(self) -> str:
        return self.url.text

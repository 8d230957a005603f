"""The table `[remote]` of a site file. What it asks for is made in `kinds.remote`."""

from wayside.parts.part import Settings
from wayside.settings.client import Client
from wayside.settings.config_values import BrokerUrl


class RemoteTable(Client, Settings):
    """The broker by which operators may change this file from afar (`wayside keys operator`, `wayside config push`)."""

    url: BrokerUrl

    def title(self) -> str:
        return "remote"

    def password_goes_to(self) -> str:
        return self.url.text

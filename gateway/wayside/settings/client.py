"""How the gateway shows itself to a broker or server: keys that several tables of the site file have.

Imports of the gateway `config_values` and `table`.
"""

from wayside.settings.config_values import CertificateFile, PasswordFile, PrivateKeyFile
from wayside.settings.table import Table


class Client(Table):
    """How the gateway shows itself to a broker or server, and whom it believes there. Files: `site.secret_files`."""

    ca_file: CertificateFile | None = None
    cert_file: CertificateFile | None = None
    key_file: PrivateKeyFile | None = None
    username: str | None = None
    password_file: PasswordFile | None = None

    def password_goes_to(self) -> str:
        """The URL of the far side; of what is no URL, nothing is sent to it."""
        raise NotImplementedError

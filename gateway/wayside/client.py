"""How the gateway shows itself to a broker or server: keys that several tables of the site file have.

Imports of the gateway `config_values` and `table`.
"""

from wayside.config_values import SecretName
from wayside.table import Table


class Client(Table):
    """How the gateway shows itself to a broker or server, and whom it believes there. Files: wayside.secret_files."""

    ca_file: SecretName | None = None
    cert_file: SecretName | None = None
    key_file: SecretName | None = None
    username: str | None = None
    password_file: SecretName | None = None

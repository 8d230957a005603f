"""A small authority for tests: certificates for a broker on 127.0.0.1 and for its clients."""

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """Signs certificates; `ca_file` is its own."""

    def __init__(self, folder: Path, name: str = "test authority", years: int = 0) -> None:
        """Its own certificate began a day ago and ends in one day; or so many years before and after now."""
        self._folder = folder
        self._name = _name(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        usage = [x509.BasicConstraints(ca=True, path_length=None), _SIGNS_CERTIFICATES]
        days = 365 * years or 1
        certificate = self._certificate(self._name, self._key, usage, days, 2 * days)
        self.ca_file = folder / f"{name}.pem".replace(" ", "-")
        self.ca_file.write_bytes(certificate.public_bytes(Encoding.PEM))

    def issue(self, name: str, days: int = 1) -> tuple[Path, Path]:
        """Files of a certificate for 127.0.0.1 and its key, for two days, the last of them `days` from now.

        Negative `days`: it has expired; more than 2: it is not valid yet.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        alternative = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
        certificate = self._certificate(_name(name), key, [alternative], days)
        files = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
        files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return files

    def _certificate(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        usage: list[x509.ExtensionType],
        days: int,
        length_days: int = 2,
    ) -> x509.Certificate:
        end = datetime.now(UTC) + timedelta(days=days)
        # Python 3.13 checks RFC 5280 to the letter: both key identifiers and the key usage have to be there.
        usage = [
            *usage,
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
        ]
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(end - timedelta(days=length_days))
            .not_valid_after(end)
        )
        for extension in usage:
            critical = isinstance(extension, x509.BasicConstraints | x509.KeyUsage)
            builder = builder.add_extension(extension, critical)
        return builder.sign(self._key, hashes.SHA256())

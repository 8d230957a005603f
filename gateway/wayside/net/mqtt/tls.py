"""TLS towards a far side, by a clock that may be wrong. The rule: docs/delivery.md, Certificates.

While the clock is right, OpenSSL judges every certificate's window by it. While it may be wrong, the chain, the name
and the signatures are checked all the same, and the far side's certificate is refused only when it has certainly ended:
before a time that is known to have passed. A gateway whose clock stands at 1970 after a power cut must get through.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509

_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME of OpenSSL's x509_vfy.h, which Python has no name for


def _clock_is_right() -> int | None:
    return None


def _nobody_asks(certificate: x509.Certificate) -> None:
    pass


@dataclass(frozen=True)
class Tls:
    """PEM files. With `ca_file` only its authorities count, else the system's. A client shows `certificate_file`.

    at_least_ms: None while the clock is right, else a time in ms since 1970 that has certainly passed.
    saw: told the far side's certificate once its chain and name are found good, in the thread that connects.
    """

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    at_least_ms: Callable[[], int | None] = field(default=_clock_is_right, compare=False)
    saw: Callable[[x509.Certificate], None] = field(default=_nobody_asks, compare=False)

    def context(self) -> ssl.SSLContext:
        """The context for connections from now on; OSError, which names the file, when one cannot be used."""
        file = self.ca_file
        try:
            context = ssl.create_default_context(cafile=file)
            file = self.certificate_file
            if file is not None:
                context.load_cert_chain(file, self.key_file)
        except OSError as error:  # ssl.SSLError too
            raise OSError(error.errno, f"{file}: {error.strerror or error}") from error
        at_least_ms = self.at_least_ms()
        if at_least_ms is not None:
            context.verify_flags |= _NO_CHECK_TIME
        context.sslsocket_class = self._judging(at_least_ms)
        return context

    def _judging(self, at_least_ms: int | None) -> type[ssl.SSLSocket]:
        saw = self.saw

        class Judging(ssl.SSLSocket):
            """Looks at the far side's certificate before a byte of the application's is sent."""

            def do_handshake(self, block: bool = False) -> None:
                super().do_handshake(block)
                shown = x509.load_der_x509_certificate(self.getpeercert(binary_form=True) or b"")
                saw(shown)
                if at_least_ms is not None and not_after_ms(shown) < at_least_ms:
                    ended = shown.not_valid_after_utc.isoformat(timespec="seconds")
                    error = ssl.SSLCertVerificationError(f"certificate has expired, at {ended}")
                    error.verify_message = error.args[0]
                    raise error

        return Judging


def not_after_ms(certificate: x509.Certificate) -> int:
    """The end of its window in ms since 1970."""
    return int(certificate.not_valid_after_utc.timestamp()) * 1000

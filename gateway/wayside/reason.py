"""What an expected failure says, for people. Imports nothing of the gateway."""

import errno


def reason(error: BaseException) -> str:
    """A sentence: of a file its name and what is wrong with it, as the system says it."""
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return f"{error.strerror}: another program listens there; stop it (ss -ltnp names it) or choose another port"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    if isinstance(error, OSError) and error.filename is not None:
        text = f"{error.filename}: {text}"
    return text or type(error).__name__

"""What an expected failure says, for people. Imports nothing of the gateway."""

import errno


def reason(error: BaseException) -> str:
    """A sentence: of a file its name and what is wrong with it, as the system says it."""
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return f"{error.strerror}: another program listens there; stop it (ss -ltnp names it) or choose another port"
    is_full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    text = "the disk is full; make room on it" if is_full else str(error)
    text = error.strerror if not is_full and isinstance(error, OSError) and error.strerror else text
    if isinstance(error, OSError) and error.filename is not None:
        text = f"{error.filename}: {text}"
    return text or type(error).__name__

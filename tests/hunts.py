"""How much of a long hunt a test does: a share in `make test`, the whole in `make campaigns`."""

import os


def examples(whole: int) -> int:
    """A property test's `max_examples`: `whole` in `make campaigns`, a third of it, 5 at least, in `make test`."""
    return whole if os.environ.get("WAYSIDE_WHOLE") else min(whole, max(5, whole // 3))

"""`python -m wayside` is the command `wayside`."""

import sys

from wayside.cli import main

sys.exit(main())

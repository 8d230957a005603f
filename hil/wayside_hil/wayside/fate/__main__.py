"""python -m wayside_hil.wayside.fate"""

import sys

from .run import main

sys.exit(main(sys.argv[1:]))

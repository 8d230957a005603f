"""The watchdog before everything else."""

import care

care.begin()

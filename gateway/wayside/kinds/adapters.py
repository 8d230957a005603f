"""What an `[[adapter]]` asks for: its source, and the aggregation of `intake` that it may use. Between both."""

import sys
from functools import partial

from wayside.intake.report import Reporter
from wayside.kinds.core import Core
from wayside.part import Part
from wayside.profiles.node import aggregate_kind
from wayside.south import adapter


def make(settings: adapter.Adapter, core: Core) -> Part:
    # A source says when it has something, not how often: reports are made by time, and none by a number of polls.
    return adapter.make(settings, core, partial(Reporter, aggregate_kind, sys.maxsize))

"""Detect: watches readings and indicators; says when an event begins and when it ends.

It raises no alarm and knows no people: what follows from an event is `operate`'s. The one thing to know: an event is
named after its detection, subject and beginning, so that the same stream heard again names no new one.
"""

from datlanh.detect.condition import problems
from datlanh.detect.listens import Detect, Event, WatchView
from datlanh.detect.watch import Rule, event_id, move

__all__ = ["Detect", "Event", "Rule", "WatchView", "event_id", "move", "problems"]

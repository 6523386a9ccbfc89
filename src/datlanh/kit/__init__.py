"""The only module that a pack imports.

A pack's Python is short pure functions: they are given what they declare in `reads`, and give back a number,
a `Result` with details, or None for "not known". The one thing to know: nothing here can reach the database,
the clock or the network, and neither should a pack.
"""

from datlanh.kit.declare import across, fact, indicator, last, limit, parameter, seen, step_rule, values
from datlanh.kit.steps import half_up, on_table
from datlanh.model.given import Group, Result, Seen, Series
from datlanh.model.indicator import Bounds
from datlanh.model.pack import ParameterValue

__all__ = [
    "Bounds",
    "Group",
    "ParameterValue",
    "Result",
    "Seen",
    "Series",
    "across",
    "fact",
    "half_up",
    "indicator",
    "last",
    "limit",
    "on_table",
    "parameter",
    "seen",
    "step_rule",
    "values",
]

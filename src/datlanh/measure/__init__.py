"""Indicators: what they read, when they are due, what they are worth, and why.

A value is computed by a pack's pure function from what it declares, kept with its lineage, and told when it is new
or another than was known. Nothing here knows what the numbers mean.
"""

from datlanh.measure.gather import AreasOf
from datlanh.measure.measure import Measure

__all__ = ["AreasOf", "Measure"]

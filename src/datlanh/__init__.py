"""Đất Lành: the open intelligent operations centre for a province or city.

The folders are the product's sentence: a province collects, keeps, measures, detects, operates and
shares. Start reading at `docs/tour.md`.
"""

__version__ = "2026.11.0"

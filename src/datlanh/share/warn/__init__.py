"""Warnings outside the house: signed CAP, the public feed, those who are told; and alerts that others send us."""

from datlanh.share.warn.office import Office, Received

__all__ = ["Office", "Received"]

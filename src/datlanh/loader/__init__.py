"""Finds, checks and loads packs.

A pack that fails its check is left out, loudly; the rest runs. The one thing to know: `load` is called once by each
program and gives plain values; nothing of a pack is looked up in files afterwards.
"""

from datlanh.loader.check import Report, check
from datlanh.loader.find import LoadError, load, load_folders
from datlanh.loader.scaffold import new_pack
from datlanh.loader.schema import schemas

__all__ = ["LoadError", "Report", "check", "load", "load_folders", "new_pack", "schemas"]

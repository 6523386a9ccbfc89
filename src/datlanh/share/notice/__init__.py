"""Notices: people are told, by the ways they chose, and every try is written down.

Whoever wants somebody told tells `NoticeWanted` in his own transaction; nobody else sends anything.
"""

from datlanh.share.notice.notices import Notices

__all__ = ["Notices"]

"""Who hears what: the whole nervous system on one page.

A message is told by a floor (in `model/messages/<floor>.py`) and heard by the readers below; each reader
hears in the order of commits, one message after another, each exactly once.
"""

from typing import TYPE_CHECKING

from datlanh.kernel.outbox import Listener
from datlanh.model.messages import Message

if TYPE_CHECKING:
    from datlanh.app.house import House


def wiring(house: "House") -> dict[str, dict[type[Message], Listener]]:
    """The readers by name, and what each hears."""
    from datlanh.model.messages.collect import SourceSaved
    from datlanh.model.messages.detect import EventBegan, EventEnded
    from datlanh.model.messages.measure import LimitChanged
    from datlanh.model.messages.notice import NoticeWanted
    from datlanh.model.messages.warn import WarningPublished

    return {
        "places": {
            SourceSaved: house.places.source_saved,
        },
        "detect": {
            LimitChanged: house.detect.limit_changed,
        },
        "operate": {
            EventBegan: house.operate.events,
            EventEnded: house.operate.events,
        },
        "notices": {
            NoticeWanted: house.notices.wanted,
        },
        "office": {
            WarningPublished: house.office.published,
        },
    }

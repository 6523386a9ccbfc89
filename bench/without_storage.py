"""`datlanh serve` with everything but storage: the ceiling against which the doors are measured.

    python -m bench.without_storage

The same server, the same keys, limits, decoding and answers; only the journal says "durable" at once, and NGSI-LD
writes are read and then forgotten.
"""

import itertools
from collections.abc import Sequence

from datlanh.app.command import main
from datlanh.app.http.ngsild import write
from datlanh.collect.batch import Offer, Receipt
from datlanh.collect.inbox import Inbox
from datlanh.collect.ngsild import read
from datlanh.model.errors import Error

_numbers = itertools.count(1)


async def _accept_many(inbox: Inbox, offers: Sequence[Offer]) -> list[Receipt | Error]:
    return [Receipt(seq=next(_numbers), duplicate=False) for _ in offers]


async def _write(writer: write.Writer, group: Sequence[write._Request]) -> None:
    source = await writer._source()
    for request in group:
        items = read(request.body, writer._house.clock.now(), source, request.context)
        request.result = write.Written(updated=[item.id for item in items])


if __name__ == "__main__":
    setattr(Inbox, "accept_many", _accept_many)  # noqa: B010 -- it is not a method of it, after all
    setattr(write.Writer, "_write", _write)  # noqa: B010
    main(["serve"])

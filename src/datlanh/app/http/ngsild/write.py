"""Writing entities: journal row and applied state in one transaction, grouped across requests, before the answer.

All requests that arrive while a transaction commits share the next one: a hundred callers cost one commit. When a
group breaks, each of its requests is tried alone, so that nobody pays for a neighbour. What is refused is in the
quarantine in the same commit; an answer is given only after it.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
import structlog

from datlanh.collect.batch import Batch, Offer, Receipt
from datlanh.collect.ngsild import Item
from datlanh.collect.ngsild import read as read_items
from datlanh.keep import EntityQuestion
from datlanh.kernel import Transaction
from datlanh.model.errors import BadInput, Conflict, Error, Unavailable
from datlanh.model.series import Entity
from datlanh.model.source import Source

if TYPE_CHECKING:
    from datlanh.app.house import House

log = structlog.get_logger(__name__)

CODEC = "ngsild"
SOURCE = "ngsi-ld"
GROUP_REQUESTS = 64
GROUP_BYTES = 8 * 2**20
WAITING = 2000
TRIES = 3


@dataclass(slots=True)
class Written:
    """What became of a request: ids made and changed, and those refused with the reason."""

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    refused: list[tuple[str, Error]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Request:
    body: bytes
    context: Any
    replace: bool
    actor: str
    key: str | None
    result: "Written | BaseException | None" = None


class Writer:
    """Writes batches of entities for one process."""

    def __init__(self, house: "House") -> None:
        self._house = house
        self._queue: deque[_Request] = deque()
        self._turn = asyncio.Lock()

    async def upsert(
        self, body: bytes, context: Any, *, replace: bool, actor: str, key: str | None
    ) -> Written:
        """Write a batch; comes back after the commit."""
        if len(self._queue) >= WAITING:
            raise Unavailable("collect.queue_full", retry_after=2)
        mine = _Request(body, context, replace, actor, key)
        self._queue.append(mine)
        try:
            while mine.result is None:
                async with self._turn:
                    if mine.result is None:
                        await self._next()
        except BaseException:
            if mine.result is None and mine in self._queue:
                self._queue.remove(mine)
            raise
        if isinstance(mine.result, BaseException):
            raise mine.result
        return mine.result

    async def _next(self) -> None:
        group: list[_Request] = []
        size = 0
        while self._queue and len(group) < GROUP_REQUESTS and (not group or size < GROUP_BYTES):
            request = self._queue.popleft()
            group.append(request)
            size += len(request.body)
        try:
            await self._write(group)
        except BaseException:
            # Whoever carries the group is being stopped; the next in turn takes over what is not done.
            self._queue.extendleft(reversed([request for request in group if request.result is None]))
            raise

    async def _write(self, group: Sequence[_Request]) -> None:
        for last in (*(False,) * (TRIES - 1), True):
            try:
                source = await self._source()
                async with self._house.database.transaction() as tx:
                    results = await self._apply(tx, group, source)
            except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure) as error:
                if not last:
                    continue
                results = [Unavailable("collect.not_taken", retry_after=2)] * len(group)
                log.warning("ngsild.contention", error=type(error).__name__)
            except (psycopg.OperationalError, Unavailable) as error:
                log.warning("ngsild.database", error=type(error).__name__)
                results = [Unavailable("collect.not_taken", retry_after=5)] * len(group)
            except Exception as error:
                if len(group) > 1:
                    for request in group:
                        await self._write([request])
                    return
                if isinstance(error, psycopg.DataError | psycopg.IntegrityError):
                    results = [BadInput("collect.not_storable", error=type(error).__name__)]
                elif isinstance(error, Error):
                    results = [error]
                else:
                    group[0].result = error  # our fault, not the caller's: told as such, logged by the guard
                    return
            for request, result in zip(group, results, strict=True):
                request.result = result
            return

    async def _source(self) -> Source:
        """The source that stands for this door."""
        await self._house.collect.sources()  # so that `map` knows the declarations of now
        return await self._house.collect.source(SOURCE)

    async def _apply(
        self, tx: Transaction, group: Sequence[_Request], source: Source
    ) -> "list[Written | Error]":
        house = self._house
        now = house.clock.now()
        read: list[list[Item] | Error] = []
        for request in group:
            try:
                read.append(read_items(request.body, now, source, request.context))
            except Error as error:
                read.append(error)
        ids = [item.id for items in read if isinstance(items, list) for item in items]
        kinds = await house.keep.kinds(sorted({id for id in ids if id}), tx)
        whole = await self._whole(tx, group, read)
        results: list[Written | Error] = []
        offers: list[Offer] = []
        for request, items in zip(group, read, strict=True):
            if isinstance(items, Error):
                results.append(items)
                continue
            written, offer = self._judge(request, items, kinds, whole, source)
            results.append(written)
            offers.append(offer)
        if not offers:
            return results
        receipts = await house.collect.inbox.accept_in(tx, offers)
        batches = []
        at = 0
        for number, result in enumerate(results):
            if isinstance(result, Error):
                continue
            receipt, offer = receipts[at], offers[at]
            at += 1
            if not isinstance(receipt, Receipt):
                results[number] = receipt
            elif receipt.duplicate:
                await self._as_before(result, receipt.seq)
            else:
                batches.append(
                    Batch(
                        seq=receipt.seq,
                        received_at=now,
                        source=offer.source,
                        codec=offer.codec,
                        body=offer.body,
                        idempotency_key=offer.idempotency_key,
                        items=offer.items,
                        meta=offer.meta,
                    )
                )
        if batches:
            mapped = house.collect.map(batches)
            if any(refusal.line == 0 for refusal in mapped.refusals):
                # The codec refuses as a whole what was judged good here: never say "written" to that.
                raise BadInput("collect.not_storable", error="codec")
            await house.collect.refuse(tx, mapped.refusals)
            kept = await house.keep.apply(tx, mapped)
            await house.measure.mark(tx, kept)
            await house.detect.feed(tx, kept)
            await house.collect.count(tx, batches, mapped, kept)
        return results

    async def _as_before(self, written: Written, seq: int) -> None:
        """The same request came before: it is answered as it was then, and nothing is done."""
        created = set((await self._house.collect.raw(seq)).meta.get("created", ()))
        ids = written.created + written.updated
        written.created = [id for id in ids if id in created]
        written.updated = [id for id in ids if id not in created]

    async def _whole(
        self, tx: Transaction, group: Sequence[_Request], read: Sequence[list[Item] | Error]
    ) -> dict[str, Entity]:
        """All that is known of the entities that are to be replaced."""
        wanted = sorted(
            {
                item.id
                for request, items in zip(group, read, strict=True)
                if request.replace and isinstance(items, list)
                for item in items
                if item.id
            }
        )
        if not wanted:
            return {}
        found = await self._house.keep.entities(EntityQuestion(ids=wanted, limit=None), tx)
        return {entity.id: entity for entity in found}

    def _judge(
        self,
        request: _Request,
        items: Sequence[Item],
        known: dict[str, str],
        whole: dict[str, Entity],
        source: Source,
    ) -> tuple[Written, Offer]:
        """Which entities are new, which change, which are refused; and the journal row of the request."""
        written = Written()
        seen: dict[str, str] = {}
        only: list[int] = []
        gone: dict[str, list[str]] = {}
        for item in items:
            if item.error is None:
                there = whole.get(item.id)
                type_ = seen.get(item.id) or known.get(item.id)
                if type_ is not None and type_ != item.type:
                    item.error = Conflict("ngsild.other_type", id=item.id, type=type_)
            if item.error is not None:
                written.refused.append((item.id, item.error))
                continue
            only.append(item.number)
            if item.id not in known and item.id not in seen:
                written.created.append(item.id)
            elif item.id not in seen:
                written.updated.append(item.id)
                if request.replace and there is not None:
                    names = {name for name, fact in there.facts.items() if fact is not None}
                    names.update(value.key.attribute for value in there.values)
                    left = sorted(names - item.attributes())
                    if left:
                        gone[item.id] = left
            seen[item.id] = item.type
        meta: dict[str, Any] = {"actor": request.actor}
        if request.key and written.created:
            meta["created"] = written.created
        if request.context is not None:
            meta["context"] = request.context
        if len(only) + sum(1 for i in items if i.error is not None) != len(items) or any(
            isinstance(i.error, Conflict) for i in items
        ):
            meta["only"] = only
        if gone:
            meta["gone"] = {id: [(whole[id].type, name) for name in names] for id, names in gone.items()}
        offer = Offer(
            source=source.id,
            codec=CODEC,
            body=request.body,
            idempotency_key=f"{request.actor}\n{request.key}" if request.key else None,
            items=len(items),
            meta=msgspec.json.decode(msgspec.json.encode(meta)),
        )
        return written, offer

"""Warnings as they stand: holds them, writes them with their log, tells of them.

The rules are in `warning.py`. What the public reads is made by `share` when it hears `WarningPublished`.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec

from datlanh.kernel import PROVINCE_ZONE, Clock, Database, Transaction, queries
from datlanh.model.alarm import LogEntry, PersonRef
from datlanh.model.errors import Conflict, NotFound
from datlanh.model.messages import Message
from datlanh.model.messages.notice import NoticeWanted
from datlanh.model.messages.warn import WarningAsked, WarningDrafted, WarningPublished, WarningSentBack
from datlanh.model.warning import Warning, WarningId, WarningKind, WarningState, WarningText
from datlanh.operate import code as codes
from datlanh.operate import store
from datlanh.operate import warning as warnings
from datlanh.operate.record import chained

KIND = "TB"  # thông báo cảnh báo
ASKED, TOLD = "chair", ("duty_officer", "shift_lead")
_SQL = queries(__package__, "warning.sql")
_GIVEN = uuid.UUID("1f6c1c80-3f3a-5b59-9a3e-5f6f2f7c9d21")


@dataclass(slots=True, kw_only=True)
class _Held:
    """A warning in hand, with the end of its log."""

    warning: Warning
    count: int = 0
    head: str = ""


class Warnings:
    """Warnings to the public, from draft to end."""

    def __init__(self, db: Database, clock: Clock, sender: str) -> None:
        self._db = db
        self._clock = clock
        self._sender = sender

    # -- asking

    async def page(
        self,
        tx: Transaction,
        *,
        states: Sequence[str] = (),
        before: tuple[datetime, str] | None = None,
        limit: int = 50,
    ) -> list[Warning]:
        """Warnings, newest first."""
        given = {
            "states": list(states) or None,
            "before": before[0] if before else None,
            "before_id": before[1] if before else None,
            "limit": limit,
        }
        return [_warning(row) for row in await tx.all(_SQL["page"], given)]

    async def one(self, tx: Transaction, id: str) -> Warning:
        """A warning by id or code."""
        row = await tx.one(_SQL["one"], {"id": id})
        if row is None:
            raise NotFound("warn.no_such_warning", id=id)
        return _warning(row)

    @staticmethod
    def id_of_origin(origin: str) -> str:
        """The id that the draft of something from outside has or will have."""
        return _named(None, origin)

    async def of_origin(self, tx: Transaction, origin: str) -> Warning | None:
        """What became of something from outside."""
        row = await tx.one(_SQL["one"], {"id": _named(None, origin)})
        return _warning(row) if row is not None else None

    async def log_of(self, tx: Transaction, id: str) -> list[LogEntry]:
        """Everything that happened to a warning, oldest first."""
        return await store.log_of(tx, id)

    # -- what people do

    async def draft(
        self,
        tx: Transaction,
        *,
        text: WarningText,
        by: PersonRef | None,
        kind: WarningKind = WarningKind.ALERT,
        follows: str | None = None,
        origin: str = "",
        references: Sequence[str] = (),
        key: str | None = None,
    ) -> Warning:
        """A new draft; the same key (or origin) again is the same draft."""
        now = self._clock.now()
        mark = key or origin
        id = WarningId(_named(by, mark) if mark else str(uuid.uuid4()))
        if mark:
            there = await tx.one(_SQL["one"], {"id": id})
            if there is not None:
                return _warning(there)
        before = await self.one(tx, follows) if follows else None
        year = now.astimezone(PROVINCE_ZONE).year
        number = await store.last_number(tx, KIND, year) + 1
        await store.numbered(tx, {(KIND, year): number})
        warning, told = warnings.drafted(
            id=id,
            code=codes.code(KIND, year, number),
            kind=kind,
            text=text,
            follows=before,
            sender=self._sender,
            origin=origin,
            by=by,
            now=now,
        )
        if references and not warning.references:
            warning = replace(warning, references=tuple(references))
        return await self._save(tx, _Held(warning=warning), warning, told, new=True)

    async def edit(
        self,
        tx: Transaction,
        id: str,
        *,
        text: WarningText,
        by: PersonRef,
        version: int | None = None,
        key: str | None = None,
    ) -> Warning:
        """Other words for a draft."""
        held, again = await self._hold(tx, id, "edit", by, version, key)
        if again:
            return held.warning
        warning, told = warnings.edit(held.warning, text, by, self._clock.now())
        return await self._save(tx, held, warning, told)

    async def ask(
        self, tx: Transaction, id: str, *, by: PersonRef, version: int | None = None, key: str | None = None
    ) -> Warning:
        """Ask a second person to confirm."""
        return await self._do(tx, id, "ask", by, version, key, lambda w, now: warnings.ask(w, by, now))

    async def send_back(
        self,
        tx: Transaction,
        id: str,
        *,
        why: str,
        by: PersonRef,
        version: int | None = None,
        key: str | None = None,
    ) -> Warning:
        """Do not confirm, with the reason."""
        return await self._do(
            tx, id, "send_back", by, version, key, lambda w, now: warnings.send_back(w, why, by, now)
        )

    async def drop(
        self,
        tx: Transaction,
        id: str,
        *,
        why: str,
        by: PersonRef,
        version: int | None = None,
        key: str | None = None,
    ) -> Warning:
        """Give a draft up."""
        return await self._do(tx, id, "drop", by, version, key, lambda w, now: warnings.drop(w, why, by, now))

    async def confirm(
        self, tx: Transaction, id: str, *, by: PersonRef, version: int, key: str | None = None
    ) -> Warning:
        """Confirm exactly the version that was read, and publish it."""
        first = await self.one(tx, id)
        rows = await tx.all(_SQL["hold"], {"ids": [one for one in (first.id, first.follows) if one]})
        held = {str(one.warning.id): one for one in map(_held, rows)}
        mine = held[first.id]
        if not await self._first(tx, first.id, "confirm", by, key):
            return mine.warning
        self._as_seen(mine.warning, version)
        now = self._clock.now()
        before = held.get(mine.warning.follows or "")
        told = warnings.confirm(mine.warning, before.warning if before else None, by, now)
        published = await self._save(tx, mine, warnings.after(mine.warning, *told), told)
        if before is not None:
            ended = warnings.followed(before.warning, published, by, now)
            await self._save(tx, before, warnings.after(before.warning, *ended), ended)
        return published

    async def _do(
        self,
        tx: Transaction,
        id: str,
        what: str,
        by: PersonRef,
        version: int | None,
        key: str | None,
        decide: Callable[[Warning, datetime], list[Message]],
    ) -> Warning:
        held, again = await self._hold(tx, id, what, by, version, key)
        if again:
            return held.warning
        told = decide(held.warning, self._clock.now())
        return await self._save(tx, held, warnings.after(held.warning, *told), told)

    async def _hold(
        self, tx: Transaction, id: str, what: str, by: PersonRef, version: int | None, key: str | None
    ) -> tuple[_Held, bool]:
        known = await self.one(tx, id)
        (row,) = await tx.all(_SQL["hold"], {"ids": [known.id]})
        held = _held(row)
        if not await self._first(tx, known.id, what, by, key):
            return held, True
        if version is not None:
            self._as_seen(held.warning, version)
        return held, False

    async def _first(self, tx: Transaction, id: str, what: str, by: PersonRef, key: str | None) -> bool:
        return key is None or await store.claim_command(
            tx, key, f"warning {what} {id}", by, self._clock.now()
        )

    @staticmethod
    def _as_seen(warning: Warning, version: int) -> None:
        if warning.version != version:
            raise Conflict("warn.changed_meanwhile", code=warning.code)

    # -- what time does

    async def work_due(self) -> int:
        """End the warnings whose time is over; how many."""
        async with self._db.transaction() as tx:
            now = self._clock.now()
            rows = await tx.all(_SQL["due"], {"now": now})
            for held in map(_held, rows):
                told = warnings.time_up(held.warning, now)
                await self._save(tx, held, warnings.after(held.warning, *told), told)
        return len(rows)

    # -- writing

    async def _save(
        self, tx: Transaction, held: _Held, warning: Warning, told: Sequence[Message], *, new: bool = False
    ) -> Warning:
        if not told:
            return warning
        if not new:
            warning = replace(warning, version=held.warning.version + 1)
        lines, head, count = [], held.head, held.count
        for message in told:
            count += 1
            line = chained(head, warning.id, count, message)
            head = line.hash
            lines.append(line)
        await store.add_lines(tx, lines)
        holds = warning.state is WarningState.PUBLISHED
        given = {
            "id": warning.id,
            "code": warning.code,
            "version": warning.version,
            "state": warning.state.value,
            "drafted_at": warning.drafted_at,
            "published_at": warning.published_at,
            "expires_at": warning.text.expires,
            "due_at": warning.text.expires if holds else None,
            "log_count": count,
            "log_head": head,
            "body": msgspec.json.encode(warning).decode(),
        }
        await tx.run(_SQL["add" if new else "save"], given)
        for message in told:
            tx.tell(message)
            for notice in _notices(warning, message):
                tx.tell(notice)
        return warning


def _notices(warning: Warning, message: Any) -> list[NoticeWanted]:
    def to(kind: str, urgency: int, role: str | None = None, person: PersonRef | None = None) -> NoticeWanted:
        event = warning.text.headline or warning.text.event
        return NoticeWanted(
            id=f"{kind}:{warning.id}:{warning.version}:{role or (person.id if person else '')}",
            kind=kind,
            to_role=role,
            to_person=person,
            about=warning.id,
            about_code=warning.code,
            href=f"/warnings/{warning.id}",
            urgency=urgency,
            at=message.at,
            params={
                "what_vi": event.get("vi", "") or event.get("en", ""),
                "what_en": event.get("en", "") or event.get("vi", ""),
                "by": message.by.name if message.by else "",
                "why": getattr(message, "why", ""),
            },
        )

    match message:
        case WarningDrafted() if message.by is None:
            return [to("warning_came_in", 2, role) for role in TOLD]
        case WarningAsked():
            return [to("warning_asked", 1, role) for role in (ASKED, "ioc_director")]
        case WarningSentBack() if warning.drafted_by is not None:
            return [to("warning_sent_back", 2, person=warning.drafted_by)]
        case WarningPublished():
            return [to("warning_published", 2, role) for role in (*TOLD, ASKED)]
    return []


def _named(by: PersonRef | None, mark: str) -> str:
    return str(uuid.uuid5(_GIVEN, f"{by.id if by else ''} {mark}"))


def _warning(row: Mapping[str, Any]) -> Warning:
    return msgspec.json.decode(row["body"], type=Warning)


def _held(row: Mapping[str, Any]) -> _Held:
    return _Held(warning=_warning(row), count=row["log_count"], head=row["log_head"])

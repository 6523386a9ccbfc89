"""The library of procedures: the packs' files and what people wrote after them, and which version holds when.

Whether somebody may do it is decided at the door; what a version may become, in `procedure.py`. The one thing to know:
a text is read anew from what was approved, letter by letter, so that what was reviewed is what runs.
"""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
import structlog

from datlanh.kernel import Clock, Transaction, queries
from datlanh.model.alarm import PersonRef
from datlanh.model.errors import BadInput, Conflict, NotFound
from datlanh.model.messages.notice import NoticeWanted
from datlanh.model.pack import Packs, ProcedureDeclaration
from datlanh.model.procedure import Mistake, ProcedureVersion, ProcedureVersionId, VersionState
from datlanh.operate import procedure as rules
from datlanh.operate import store
from datlanh.operate.procedure import Moved
from datlanh.operate.record import Record

log = structlog.get_logger(__name__)
_SQL = queries(__package__, "procedure.sql")

ReadText = Callable[[str, str], tuple[ProcedureDeclaration | None, tuple[Mistake, ...]]]
"""(id, text) → the procedure it says, or what is wrong with it."""
WriteText = Callable[[ProcedureDeclaration], str]
"""The text of a procedure."""
LONGEST = 200_000


class Procedures:
    """Procedures with their versions; number 0 is the pack's file."""

    def __init__(self, clock: Clock, packs: Packs, read: ReadText, write: WriteText) -> None:
        self._clock = clock
        self._packs = packs
        self._read = lru_cache(maxsize=256)(read)
        self._write = write

    # -- asking

    def check(self, procedure: str, text: str) -> tuple[ProcedureDeclaration | None, tuple[Mistake, ...]]:
        """What a text says, or what is wrong with it."""
        return self._read(procedure, text)

    async def effective(
        self, tx: Transaction, procedure: str, at: datetime | None = None
    ) -> tuple[ProcedureDeclaration | None, int]:
        """The procedure as it holds at an instant (now), and the number of its version."""
        row = await tx.one(_SQL["effective"], {"procedure": procedure, "at": at or self._clock.now()})
        if row is not None:
            version = _version(row)
            found, mistakes = self._read(procedure, version.text)
            if found is not None:
                return found, version.number
            # A pack that it names was left out since. The pack's own file is better than no plan.
            log.warning("operate.procedure_unreadable", procedure=version.code, what=mistakes[0].what)
        return self._packs.procedures.get(procedure), 0

    async def versions(self, tx: Transaction, procedure: str | None = None) -> list[ProcedureVersion]:
        """What people wrote, the newest first; of one procedure or of all."""
        return [_version(row) for row in await tx.all(_SQL["versions"], {"procedure": procedure})]

    async def text(self, tx: Transaction, procedure: str, number: int) -> str:
        """The text of a version."""
        if number == 0:
            return self._write(self._of_pack(procedure))
        return (await self.version(tx, procedure, number)).text

    async def version(self, tx: Transaction, procedure: str, number: int) -> ProcedureVersion:
        """One version that people wrote."""
        for found in await self.versions(tx, procedure):
            if found.number == number:
                return found
        raise NotFound("procedure.no_such_version", procedure=procedure, number=number)

    async def declared(self, tx: Transaction, procedure: str, number: int) -> ProcedureDeclaration:
        """The procedure that a version says; refuses one whose text has mistakes."""
        if number == 0:
            return self._of_pack(procedure)
        version = await self.version(tx, procedure, number)
        found, mistakes = self._read(procedure, version.text)
        if found is None:
            raise BadInput("procedure.has_mistakes", code=version.code, line=mistakes[0].line)
        return found

    def _of_pack(self, procedure: str) -> ProcedureDeclaration:
        found = self._packs.procedures.get(procedure)
        if found is None:
            raise NotFound("operate.no_such_procedure", procedure=procedure)
        return found

    # -- writing

    async def begin(
        self,
        tx: Transaction,
        procedure: str,
        *,
        text: str | None,
        based_on: int,
        note: str,
        by: PersonRef,
        key: str | None = None,
    ) -> ProcedureVersion:
        """Begin a draft: with a text, or as a copy of the version that it is based on."""
        await tx.run(_SQL["hold_procedure"], {"procedure": procedure})
        written = await self.versions(tx, procedure)
        if not await self._first(tx, key, f"begin {procedure}", by):
            mine = [one for one in written if one.authors[0].id == by.id]
            if mine:
                return mine[0]
        if text is None:
            text = await self.text(tx, procedure, based_on)
        elif based_on or procedure in self._packs.procedures:
            await self.text(tx, procedure, based_on)
        found, mistakes = self._checked(procedure, text)
        number = int(await tx.value(_SQL["last_number"], {"procedure": procedure})) + 1
        version, told = rules.begun(
            ProcedureVersionId(str(uuid.uuid4())),
            procedure,
            number,
            text=text,
            label=found.version if found else "",
            mistakes=mistakes,
            based_on=based_on,
            note=note,
            by=by,
            now=self._clock.now(),
        )
        record = Record(thing=version, new=True)
        record.note(version, told)
        await self._save(tx, record)
        return record.thing

    def _checked(self, procedure: str, text: str) -> tuple[ProcedureDeclaration | None, tuple[Mistake, ...]]:
        if len(text) > LONGEST or "\x00" in text:
            raise BadInput("procedure.text_not_storable", where="text", most=LONGEST)
        return self._read(procedure, text)

    async def change(
        self,
        tx: Transaction,
        procedure: str,
        number: int,
        *,
        text: str,
        note: str,
        by: PersonRef,
        key: str | None = None,
        version: int | None = None,
    ) -> ProcedureVersion:
        """Write a draft anew."""
        found, mistakes = self._checked(procedure, text)
        label = found.version if found else ""
        return await self._move(
            tx,
            procedure,
            number,
            "change",
            by,
            key,
            version,
            lambda one, now: rules.changed(
                one, text=text, label=label, mistakes=mistakes, note=note, by=by, now=now
            ),
        )

    async def submit(
        self, tx: Transaction, procedure: str, number: int, *, by: PersonRef, key: str | None = None
    ) -> ProcedureVersion:
        """Hand a draft in for review; those who review are told."""
        return await self._move(
            tx, procedure, number, "submit", by, key, None, lambda one, now: rules.submitted(one, by, now)
        )

    async def give_back(
        self,
        tx: Transaction,
        procedure: str,
        number: int,
        *,
        reason: str,
        by: PersonRef,
        key: str | None = None,
        version: int | None = None,
    ) -> ProcedureVersion:
        """Give a version back to its authors, with words."""
        return await self._move(
            tx,
            procedure,
            number,
            "give_back",
            by,
            key,
            version,
            lambda one, now: rules.returned(one, reason, by, now),
        )

    async def approve(
        self,
        tx: Transaction,
        procedure: str,
        number: int,
        *,
        effective_at: datetime | None,
        reason: str = "",
        by: PersonRef,
        key: str | None = None,
        version: int | None = None,
    ) -> ProcedureVersion:
        """Let a version hold from an instant on. `version` is what the reviewer has read."""
        await tx.run(_SQL["hold_procedure"], {"procedure": procedure})
        labels = {
            one.label: one.number
            for one in await self.versions(tx, procedure)
            if one.state is VersionState.APPROVED
        }
        declared = self._packs.procedures.get(procedure)
        if declared is not None:
            labels[declared.version] = 0
        return await self._move(
            tx,
            procedure,
            number,
            "approve",
            by,
            key,
            version,
            lambda one, now: rules.approved(
                one, effective_at=effective_at, labels=labels, why=reason, by=by, now=now
            ),
        )

    async def withdraw(
        self,
        tx: Transaction,
        procedure: str,
        number: int,
        *,
        reason: str = "",
        by: PersonRef,
        key: str | None = None,
    ) -> ProcedureVersion:
        """Take a version away before it holds."""
        return await self._move(
            tx,
            procedure,
            number,
            "withdraw",
            by,
            key,
            None,
            lambda one, now: rules.withdrawn(one, reason, by, now),
        )

    async def _move(
        self,
        tx: Transaction,
        procedure: str,
        number: int,
        what: str,
        by: PersonRef,
        key: str | None,
        version: int | None,
        decide: Callable[[ProcedureVersion, datetime], Moved],
    ) -> ProcedureVersion:
        first = await self._first(tx, key, f"{what} {procedure}/{number}", by)
        row = await tx.one(_SQL["hold"], {"procedure": procedure, "number": number})
        if row is None:
            raise NotFound("procedure.no_such_version", procedure=procedure, number=number)
        record = Record(thing=_version(row), count=row["log_count"], head=row["log_head"])
        if not first:
            return record.thing
        if version is not None and version != record.thing.version:
            raise Conflict("procedure.changed_meanwhile", code=record.thing.code)
        record.note(*decide(record.thing, self._clock.now()))
        await self._save(tx, record)
        return record.thing

    async def _first(self, tx: Transaction, key: str | None, what: str, by: PersonRef) -> bool:
        return key is None or await store.claim_command(tx, key, what, by, self._clock.now())

    async def _save(self, tx: Transaction, record: Record[ProcedureVersion]) -> None:
        if not record.touched:
            return
        new = record.new
        if not new:
            record.thing = replace(record.thing, version=record.thing.version + 1)
        told = list(record.told)
        await tx.run(_SQL["add" if new else "save"], _row(record))
        await store.add_lines(tx, record.lines)
        for message in told:
            tx.tell(message)
            self._tell(tx, record.thing, message)
        record.lines, record.told, record.new, record.touched = [], [], False, False

    def _tell(self, tx: Transaction, version: ProcedureVersion, message: Any) -> None:
        """Let those know who have to act: reviewers of what is handed in, authors of what became of it."""
        href = f"/procedures/{version.procedure}?version={version.number}"
        said = {
            "kind": f"procedure_{message.did}",
            "about": version.id,
            "about_code": version.code,
            "href": href,
            "at": message.at,
            "params": {"code": version.code, "by": message.by.name if message.by else ""},
        }
        place = f"{version.id} {version.version}"
        if message.did == "submitted":
            tx.tell(NoticeWanted(id=f"procedure {place}", to_role="ioc_director", urgency=3, **said))
        elif message.did in ("returned", "approved"):
            for author in version.authors:
                tx.tell(
                    NoticeWanted(id=f"procedure {place} {author.id}", to_person=author, urgency=3, **said)
                )


def _version(row: dict[str, Any]) -> ProcedureVersion:
    return msgspec.json.decode(row["body"], type=ProcedureVersion)


def _row(record: Record[ProcedureVersion]) -> dict[str, Any]:
    version = record.thing
    return {
        "id": version.id,
        "procedure": version.procedure,
        "number": version.number,
        "state": version.state.value,
        "effective_at": version.effective_at,
        "version": version.version,
        "log_count": record.count,
        "log_head": record.head,
        "body": msgspec.json.encode(version).decode(),
    }

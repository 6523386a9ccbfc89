"""Reports as they are kept: drafts, signed documents and their files, and the times at which some are due.

Every change is a line of the one log, written with the change. The one thing to know: a report that is signed is held
fast by the database too; its row and its files take no update.
"""

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import msgspec
import psycopg

from datlanh.kernel import PROVINCE_ZONE, Clock, Transaction, fold, queries
from datlanh.model.alarm import LogEntry, PersonRef
from datlanh.model.errors import BadInput, Conflict, NotFound
from datlanh.model.messages import Message
from datlanh.model.messages.notice import NoticeWanted
from datlanh.model.report import (
    Heading,
    Report,
    ReportFile,
    ReportId,
    ReportKind,
    ReportSchedule,
    ReportState,
)
from datlanh.operate import code as codes
from datlanh.operate import report as rules
from datlanh.operate import store
from datlanh.operate.record import chained

_SQL = queries(__package__, "report.sql")
REPORT = "BC"  # báo cáo
NAMES = uuid.UUID("7f1f3b42-0e02-5f3c-9a5e-3c57f2d0a9b1")
TOO_OLD = timedelta(days=7)
"""A time that passed longer ago than this while nothing ran is not made up for."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFilter:
    """Which reports: everything that is given must hold. `after` is the cursor of the page before."""

    kinds: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    incident: str | None = None
    text: str = ""
    after: str | None = None
    limit: int = 50


@dataclass(slots=True)
class _Held:
    """A report in somebody's hand, with where its log stands."""

    report: Report
    count: int
    head: str


class Reports:
    """Drafts and signed reports."""

    def __init__(self, clock: Clock, schedules: Sequence[ReportSchedule] = ()) -> None:
        self._clock = clock
        self.schedules: Mapping[str, ReportSchedule] = {one.id: one for one in schedules}

    # -- asking

    async def report(self, tx: Transaction, id: str) -> Report:
        """One report, by id or code."""
        row = await tx.one(_SQL["report"], {"id": next(iter(store.uuids([id])), None), "code": id})
        if row is None:
            raise NotFound("report.no_such", id=id)
        return _report(row)

    async def reports(self, tx: Transaction, given: ReportFilter) -> tuple[list[Report], str | None]:
        """A page of reports, the newest first, and the cursor of the next page."""
        limit = max(1, min(given.limit, 500))
        text = fold(given.text.strip())
        for mark in "\\%_":
            text = text.replace(mark, f"\\{mark}")
        rows = await tx.all(
            _SQL["reports"],
            {
                "kinds": list(given.kinds) or None,
                "states": list(given.states) or None,
                "incident": next(iter(store.uuids([given.incident])), str(uuid.UUID(int=0)))
                if given.incident
                else None,
                "text": f"%{text}%" if text else None,
                "after": _after(given.after),
                "limit": limit + 1,
            },
        )
        more = rows[limit - 1]["seq"] if len(rows) > limit else None
        return [_report(row) for row in rows[:limit]], None if more is None else str(more)

    async def editions(self, tx: Transaction, report: Report) -> list[Report]:
        """All editions of a report that has been corrected or corrects another, the oldest first."""
        return [_report(row) for row in await tx.all(_SQL["editions"], {"id": report.id})]

    async def log_of(self, tx: Transaction, id: str) -> list[LogEntry]:
        """What was done with a report, oldest first."""
        return await store.log_of(tx, id)

    async def file(self, tx: Transaction, id: str, format: str) -> ReportFile:
        """A file of a signed report, byte for byte as it was made when it was signed."""
        row = await tx.one(_SQL["file"], {"id": next(iter(store.uuids([id])), None), "format": format})
        if row is None:
            raise NotFound("report.no_such_file", id=id, format=format)
        return ReportFile(
            report=id, format=format, sha256=row["sha256"], body=bytes(row["body"]), made_at=row["made_at"]
        )

    async def hashes(self, tx: Transaction, id: str) -> dict[str, tuple[str, int]]:
        """The files of a signed report: format to hash and size."""
        rows = await tx.all(_SQL["hashes"], {"id": id})
        return {row["format"]: (row["sha256"], row["size"]) for row in rows}

    # -- what people do

    async def draft(
        self,
        tx: Transaction,
        made: Report,
        *,
        by: PersonRef | None,
        key: str | None = None,
        tell_role: str | None = None,
    ) -> Report:
        """Keep a draft; the same key again gives the draft that was kept for it."""
        id = ReportId(str(uuid.uuid5(NAMES, key)) if key else str(uuid.uuid4()))
        known = await tx.one(_SQL["report"], {"id": id, "code": ""})
        if known is not None:
            return _report(known)
        report = replace(made, id=id, code=await self._code(tx), drafted_by=by)
        await self._add(tx, report, rules.drafted(report, by, report.drafted_at))
        if tell_role is not None:
            self._tell(tx, report, tell_role)
        return report

    async def edit(
        self,
        tx: Transaction,
        id: str,
        section: str,
        *,
        title: str,
        text: str,
        shown: bool,
        by: PersonRef,
        version: int | None,
    ) -> Report:
        """Give a section of a draft other words."""
        held = await self._held(tx, id, version)
        now = self._clock.now()
        return await self._take(
            tx, held, rules.edit(held.report, section, title=title, text=text, shown=shown, by=by, now=now)
        )

    async def address(
        self, tx: Transaction, id: str, heading: Heading, *, by: PersonRef, version: int | None
    ) -> Report:
        """Change what stands around the text of a draft."""
        held = await self._held(tx, id, version)
        return await self._take(tx, held, rules.address(held.report, heading, by, self._clock.now()))

    async def next_number(self, tx: Transaction, report: Report) -> int:
        """The number that a report would get if it were signed now: one more than the highest of this year."""
        today = self._today()
        return int(
            await tx.value(_SQL["next_number"], {"symbol": _symbol(report.heading), "year": today.year})
        )

    async def sign(
        self,
        tx: Transaction,
        id: str,
        *,
        number: int | None,
        dated: date | None,
        place: str,
        name: str,
        title: str,
        by: PersonRef,
        version: int | None,
    ) -> Report:
        """Sign a draft; without a number it gets the next of its symbol and year. `keep_files` keeps its files."""
        held = await self._held(tx, id, version)
        today = self._today()
        day = dated or today
        given = {"symbol": _symbol(held.report.heading), "year": day.year}
        await tx.run(_SQL["hold_numbers"], {"key": f"report {given['symbol']} {given['year']}"})
        wanted = number if number is not None else int(await tx.value(_SQL["next_number"], given))
        messages = rules.sign(
            held.report,
            number=wanted,
            dated=day,
            place=place,
            name=name,
            title=title,
            by=by,
            now=self._clock.now(),
            today=today,
        )
        taken = await tx.one(_SQL["numbered_so"], given | {"number": wanted})
        if taken is not None:
            raise Conflict("report.number_taken", where="number", number=wanted, code=taken["code"])
        return await self._take(tx, held, messages)

    async def keep_files(self, tx: Transaction, report: Report, files: Mapping[str, bytes]) -> None:
        """Keep the files of a report that was signed in this transaction."""
        if report.signature is None:
            raise Conflict("report.not_signed", code=report.code)
        rows = [
            {
                "id": report.id,
                "format": format,
                "sha256": hashlib.sha256(body).hexdigest(),
                "body": body,
                "at": report.signature.at,
            }
            for format, body in files.items()
        ]
        await tx.many(_SQL["add_file"], rows)

    async def correct(self, tx: Transaction, id: str, *, why: str, by: PersonRef) -> Report:
        """Begin a new edition of a signed report; of two who do so at once, one gets the other's."""
        held = await self._held(tx, id, None)
        begun = await tx.one(_SQL["correction_of"], {"id": held.report.id})
        if begun is not None:
            raise Conflict("report.corrected_already", code=held.report.code, by=begun["code"])
        old, again, new = rules.correct(
            held.report,
            id=ReportId(str(uuid.uuid4())),
            code=await self._code(tx),
            why=why,
            by=by,
            now=self._clock.now(),
        )
        # The signed row stays as it is; only where its log stands moves on.
        await self._write(tx, held, old)
        await self._add(tx, again, new)
        return again

    async def drop(self, tx: Transaction, id: str, *, why: str, by: PersonRef, version: int | None) -> Report:
        """Drop a draft."""
        held = await self._held(tx, id, version)
        return await self._take(tx, held, rules.drop(held.report, why, by, self._clock.now()))

    # -- by the clock

    async def due(self, tx: Transaction) -> tuple[ReportSchedule, datetime] | None:
        """A schedule whose time has come, held until the end of the transaction and set to its next time.

        Whoever drafts in the same transaction drafts exactly once: both are committed, or neither.
        """
        now = self._clock.now()
        row = await tx.one(_SQL["due"], {"now": now, "ids": sorted(self.schedules)})
        if row is None:
            return None
        schedule = self.schedules[row["schedule"]]
        due_at: datetime = row["due_at"]
        while now - due_at > TOO_OLD:
            due_at = rules.next_due(schedule, due_at, PROVINCE_ZONE)
        following = rules.next_due(schedule, due_at, PROVINCE_ZONE)
        await tx.run(_SQL["put_off"], {"schedule": schedule.id, "due_at": following})
        return (schedule, due_at) if due_at <= now else None

    async def set_clocks(self, tx: Transaction) -> None:
        """Give each declared schedule its next time; those that are declared no more or otherwise lose theirs."""
        now = self._clock.now()
        rows = [
            {
                "schedule": one.id,
                "said": f"{one.hour:02d}:{one.minute:02d} {sorted(one.days)}",
                "due_at": rules.next_due(one, now, PROVINCE_ZONE),
            }
            for one in self.schedules.values()
        ]
        await tx.run(_SQL["forget_clocks"], {"ids": sorted(self.schedules)})
        await tx.many(_SQL["set_clock"], rows)

    async def clocks(self, tx: Transaction) -> dict[str, datetime]:
        """When each schedule is due next."""
        return {row["schedule"]: row["due_at"] for row in await tx.all(_SQL["clocks"])}

    # -- writing

    def _today(self) -> date:
        return self._clock.now().astimezone(PROVINCE_ZONE).date()

    async def _code(self, tx: Transaction) -> str:
        year = self._today().year
        number = await store.last_number(tx, REPORT, year) + 1
        await store.numbered(tx, {(REPORT, year): number})
        return codes.code(REPORT, year, number)

    async def _held(self, tx: Transaction, id: str, version: int | None) -> _Held:
        row = await tx.one(_SQL["hold"], {"id": next(iter(store.uuids([id])), None)})
        if row is None:
            raise NotFound("report.no_such", id=id)
        report = _report(row)
        if version is not None and version != report.version:
            last = (await store.log_of(tx, report.id))[-1:]
            raise Conflict(
                "report.changed_meanwhile",
                code=report.code,
                by=last[0].by.name if last and last[0].by else "",
            )
        return _Held(report, row["log_count"], row["log_head"])

    async def _add(self, tx: Transaction, report: Report, messages: Sequence[Message]) -> None:
        held = _Held(report, 0, "")
        lines = _lines(held, messages)
        await tx.run(_SQL["add_report"], _row(held))
        await store.add_lines(tx, lines)
        for message in messages:
            tx.tell(message)

    async def _take(self, tx: Transaction, held: _Held, messages: Sequence[Message]) -> Report:
        if messages:
            report = rules.after(held.report, *messages)
            held.report = replace(report, version=report.version + 1)
            await self._write(tx, held, messages)
        return held.report

    async def _write(self, tx: Transaction, held: _Held, messages: Sequence[Message]) -> None:
        lines = _lines(held, messages)
        try:
            await tx.run(_SQL["save_report"], _row(held))
        except psycopg.errors.UniqueViolation as error:
            signature = held.report.signature
            number = signature.number if signature else 0
            raise Conflict("report.number_taken", where="number", number=number, code="") from error
        await store.add_lines(tx, lines)
        for message in messages:
            tx.tell(message)

    def _tell(self, tx: Transaction, report: Report, role: str) -> None:
        tx.tell(
            NoticeWanted(
                id=f"report_waits:{report.id}",
                kind="report_waits",
                to_role=role,
                to_unit=report.unit,
                to_area=report.area,
                about=report.id,
                about_code=report.code,
                href=f"/reports/{report.id}",
                urgency=3,
                at=report.drafted_at,
                params={"title": report.heading.subject},
            )
        )


def _symbol(heading: Heading) -> str:
    return fold(f"{heading.office}/{heading.symbol}").replace(" ", "")


def _after(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise BadInput("operate.bad_cursor", after=text)
    return int(text)


def _lines(held: _Held, messages: Sequence[Message]) -> list[Any]:
    lines = []
    for message in messages:
        held.count += 1
        line = chained(held.head, held.report.id, held.count, message)
        held.head = line.hash
        lines.append(line)
    return lines


def _report(row: Row) -> Report:
    return msgspec.json.decode(row["body"], type=Report)


def _row(held: _Held) -> Row:
    report, signature = held.report, held.report.signature
    return {
        "id": report.id,
        "code": report.code,
        "version": report.version,
        "kind": report.kind.value,
        "state": report.state.value,
        "corrects": report.corrects,
        "incident": report.incident,
        "area": report.area,
        "unit": report.unit,
        "drafted_at": report.drafted_at,
        "signed_at": signature.at if signature else None,
        "symbol": _symbol(report.heading) if signature else None,
        "number": signature.number if signature else None,
        "year": signature.dated.year if signature else None,
        "folded": fold(f"{report.code} {report.heading.subject} {report.heading.symbol}"),
        "log_count": held.count,
        "log_head": held.head,
        "body": msgspec.json.encode(report).decode(),
    }


__all__ = ["ReportFilter", "ReportKind", "ReportState", "Reports"]

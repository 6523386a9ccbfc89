"""What measure keeps in the database: values with their lineage, formulas, laws, and what is stale."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from psycopg.types.json import Jsonb

from datlanh.kernel import Transaction, from_micros, queries, to_micros
from datlanh.measure import grid
from datlanh.measure.run import Made, same
from datlanh.model.indicator import (
    IndicatorDeclaration,
    IndicatorValue,
    Period,
    ReadKind,
)
from datlanh.model.pack import Packs, ParameterValue

SQL = queries(__package__)
COUNTABLE = (ReadKind.READINGS, ReadKind.VALUES, ReadKind.ACROSS)


class Store:
    """Reads and writes the schema `measure`; remembers numbers that never change."""

    def __init__(self, packs: Packs) -> None:
        self._packs = packs
        self._indicators: dict[str, int] = {}
        self._subjects: dict[str, int] = {}
        self._formulas: dict[str, int] = {}
        self._laws: dict[tuple[Any, ...], int] = {}

    def forget(self) -> None:
        """Forget numbers that a transaction made which was then undone."""
        for known in (self._indicators, self._subjects, self._formulas, self._laws):
            known.clear()

    # -- numbers ------------------------------------------------------------------------------------

    async def indicator(self, tx: Transaction, id: str) -> int | None:
        """The number of an indicator that has one."""
        if id not in self._indicators:
            for row in await tx.all(SQL["indicators"]):
                self._indicators[row["id"]] = row["indicator_no"]
        return self._indicators.get(id)

    async def done_to(self, tx: Transaction) -> dict[str, int]:
        """How far each indicator is computed."""
        return {
            row["id"]: to_micros(row["done_to"])
            for row in await tx.all(SQL["indicators"])
            if row["done_to"] is not None
        }

    async def begin(self, tx: Transaction, id: str, done_to: int) -> None:
        """Give an indicator its number; what ended at or before `done_to` is not asked for by the clock."""
        row = await tx.one(SQL["add_indicator"], {"id": id, "done_to": from_micros(done_to)})
        assert row is not None
        self._indicators[id] = row["indicator_no"]

    async def advance(self, tx: Transaction, done_to: Mapping[str, int]) -> None:
        """Every period of these indicators up to these instants has been computed once."""
        if done_to:
            ends = [from_micros(end) for end in done_to.values()]
            await tx.run(SQL["done_to"], {"ids": list(done_to), "ends": ends})

    async def subjects(self, tx: Transaction, ids: Iterable[str]) -> list[int]:
        """The numbers of subjects, made where there is none."""
        asked = list(ids)
        unknown = sorted({id for id in asked if id not in self._subjects})
        if unknown:
            await tx.run(SQL["add_subjects"], {"ids": unknown})
            for row in await tx.all(SQL["subjects"], {"ids": unknown}):
                self._subjects[row["id"]] = row["subject_no"]
        return [self._subjects[id] for id in asked]

    async def formula(self, tx: Transaction, indicator: IndicatorDeclaration, now: datetime) -> int:
        """The number of a formula as it is now."""
        known = self._formulas.get(indicator.id)
        if known is None:
            pack = self._packs.packs.get(indicator.pack)
            known = self._formulas[indicator.id] = await tx.value(
                SQL["add_formula"],
                {
                    "indicator": await self.indicator(tx, indicator.id),
                    "version": version_of(indicator),
                    "pack": indicator.pack,
                    "pack_version": pack.version if pack else "",
                    "title": Jsonb(dict(indicator.title)),
                    "unit": indicator.unit,
                    "body": indicator.text,
                    "reads": Jsonb(reads_of(indicator)),
                    "now": now,
                },
            )
        return known

    async def law(self, tx: Transaction, used: Sequence[tuple[str, ParameterValue]]) -> int:
        """The number of a set of dated values."""
        key = tuple((id, value.since, value.area, value.of_province) for id, value in used)
        known = self._laws.get(key)
        if known is None:
            body = [self._law(id, value) for id, value in used]
            digest = hashlib.sha256(msgspec.json.encode(body, order="deterministic")).digest()
            known = self._laws[key] = await tx.value(SQL["add_law"], {"hash": digest, "body": Jsonb(body)})
        return known

    def _law(self, id: str, value: ParameterValue) -> dict[str, Any]:
        parameter = self._packs.parameters[id]
        return {
            "parameter": id,
            "title": dict(parameter.title),
            "unit": parameter.unit,
            "value": list(value.value) if isinstance(value.value, tuple) else value.value,
            "reference": value.reference,
            "since": value.since.isoformat(),
            "area": value.area,
            "verified": value.verified,
            "note": value.note,
            "where": str(value.where),
        }

    # -- stale --------------------------------------------------------------------------------------

    async def mark(
        self, tx: Transaction, rows: Sequence[tuple[str, str, str, datetime | None]], due_at: datetime
    ) -> None:
        """Append stale hours (entity, type, attribute, hour) or properties (hour None)."""
        if not rows:
            return
        sql = "COPY measure.stale (entity, type, attribute, hour, due_at) FROM STDIN"
        async with tx.conn.cursor() as cursor, cursor.copy(sql) as copy:
            for row in rows:
                await copy.write_row((*row, due_at))

    async def claim_stale(self, tx: Transaction, now: datetime, limit: int) -> list[dict[str, Any]]:
        """Take stale hours that are due."""
        return await tx.all(SQL["claim_stale"], {"now": now, "limit": limit})

    # -- values -------------------------------------------------------------------------------------

    async def write(
        self,
        tx: Transaction,
        indicator: IndicatorDeclaration,
        made: Sequence[Made],
        now: datetime,
        known_to: int,
    ) -> tuple[list[Made], dict[str, int]]:
        """Keep values; gives those that are new or others than before, and the newest end of each that moved.

        No period that ended after `known_to` has been computed before.
        """
        number = await self.indicator(tx, indicator.id)
        formula = await self.formula(tx, indicator, now)
        subjects = await self.subjects(tx, [m.subject for m in made])
        ends = [from_micros(m.end) for m in made]
        known = {
            (row["subject_no"], row["end_at"]): row
            for row in await tx.all(SQL["known"], {"indicator": number, "subjects": subjects, "ends": ends})
        }
        changed: list[int] = []
        gone: list[int] = []
        again: list[int] = []
        for i, m in enumerate(made):
            row = known.get((subjects[i], ends[i]))
            if row is None:
                changed.append(i)
            elif not same(m.value, m.detail, row["value"], row["detail"]):
                changed.append(i)
                gone.append(i)
            elif row["counts"] != m.counts or row["formula_no"] != formula or row["law_no"] != m.law:
                again.append(i)
        if gone:
            await tx.run(
                SQL["supersede"],
                {
                    "indicator": number,
                    "now": now,
                    "subjects": [subjects[i] for i in gone],
                    "ends": [ends[i] for i in gone],
                },
            )
        if again:
            await tx.run(
                SQL["refresh"],
                {
                    "indicator": number,
                    "now": now,
                    "formula": formula,
                    "subjects": [subjects[i] for i in again],
                    "ends": [ends[i] for i in again],
                    "laws": [made[i].law for i in again],
                    "counts": [_array(made[i].counts) for i in again],
                },
            )
        if changed:
            sql = (
                "COPY measure.value (indicator_no, subject_no, end_at, known_at, computed_at, value, formula_no, "
                "law_no, counts, detail) FROM STDIN"
            )
            async with tx.conn.cursor() as cursor, cursor.copy(sql) as copy:
                for i in changed:
                    m = made[i]
                    detail = None if m.detail is None else msgspec.json.encode(m.detail).decode()
                    await copy.write_row(
                        (
                            number,
                            subjects[i],
                            ends[i],
                            now,
                            now,
                            m.value,
                            formula,
                            m.law,
                            _array(m.counts),
                            detail,
                        )
                    )
        newest: dict[str, int] = {}
        if changed:
            names = {subjects[i]: made[i].subject for i in changed}
            for row in await tx.all(
                SQL["newest"],
                {
                    "indicator": number,
                    "subjects": [subjects[i] for i in changed],
                    "ends": [ends[i] for i in changed],
                },
            ):
                newest[names[row["subject_no"]]] = to_micros(row["end_at"])
        return [made[i] for i in changed], newest

    async def _known(
        self, tx: Transaction, number: int | None, subjects: Sequence[int], ends: Sequence[datetime]
    ) -> dict[tuple[int, datetime], dict[str, Any]]:
        if not subjects:
            return {}
        asked = {"indicator": number, "subjects": subjects, "ends": ends}
        return {(row["subject_no"], row["end_at"]): row for row in await tx.all(SQL["known"], asked)}

    async def matrix(
        self, tx: Transaction, id: str, subjects: Sequence[str], after: int, until: int, by: int
    ) -> NDArray[np.float64]:
        """Values of subjects by period, NaN where nothing is known; the first period begins at `after`."""
        numbers = np.full((len(subjects), max(0, (until - after) // by)), np.nan)
        number = await self.indicator(tx, id)
        if number is None:
            return numbers
        rows = {no: row for row, no in enumerate(await self.subjects(tx, subjects))}
        for row in await tx.all(
            SQL["matrix"],
            {
                "indicator": number,
                "subjects": list(rows),
                "begin": from_micros(after),
                "end": from_micros(until),
            },
        ):
            numbers[rows[row["subject_no"]], (to_micros(row["end_at"]) - after) // by - 1] = row["value"]
        return numbers

    async def across(
        self, tx: Transaction, id: str, after: int, until: int
    ) -> list[tuple[str, int, float | None, Mapping[str, Any]]]:
        """Values of all subjects in a span of time: subject, end, value, details."""
        number = await self.indicator(tx, id)
        if number is None:
            return []
        found = await tx.all(
            SQL["across"], {"indicator": number, "begin": from_micros(after), "end": from_micros(until)}
        )
        return [(row["id"], to_micros(row["end_at"]), row["value"], row["detail"] or {}) for row in found]

    def value(self, row: Mapping[str, Any]) -> IndicatorValue:
        """A row as a value."""
        declared = self._packs.indicators.get(row["indicator"])
        end: datetime = row["end_at"]
        counts: list[int] = row["counts"]
        return IndicatorValue(
            indicator=row["indicator"],
            subject=row["subject"],
            period=Period(grid.begin_of(end, declared.every) if declared else end, end),
            value=row["value"],
            detail=row["detail"] or {},
            unit=row["unit"],
            have=sum(counts[::2]),
            of_all=sum(counts[1::2]),
            computed_at=row["computed_at"],
            known_at=row["known_at"],
            superseded_at=row["superseded_at"],
            formula=row["version"],
        )


def _array(numbers: Sequence[int]) -> str:
    """Numbers as PostgreSQL reads an array."""
    return "{" + ",".join(map(str, numbers)) + "}"


def reads_of(indicator: IndicatorDeclaration) -> list[dict[str, Any]]:
    """What an indicator reads, as it is remembered with its formula; countable inputs in the order of `counts`."""
    return [
        {
            "name": name,
            "kind": str(read.kind),
            "of": read.of,
            "span": grid.micros(read.span),
            "by": grid.micros(read.by),
            "take": read.take,
            "type": read.type,
        }
        for name, read in indicator.reads.items()
    ]


def version_of(indicator: IndicatorDeclaration) -> str:
    """A short hash of the formula and of what it reads."""
    body = msgspec.json.encode(
        [indicator.version, indicator.unit, reads_of(indicator)], order="deterministic"
    )
    return hashlib.sha256(body).hexdigest()[:12]

"""The registry: names of entities and series to their numbers, and back.

A program remembers numbers that others have committed; what a transaction makes itself is remembered only for
that transaction, so a rollback leaves nothing wrong behind. Whoever deletes series raises `keep.position.epoch`,
and everybody forgets.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from datlanh.kernel import Clock, Transaction
from datlanh.model.reading import SeriesKey
from datlanh.model.series import Series

MANY = 500
"""More keys than so many are looked up in an index of all series."""

Full = tuple[SeriesKey, str]
"""A series in full: its key and its unit of measure."""


class Registry:
    """Numbers of types, attributes, entities and series."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._epoch = 0
        self._types: dict[str, int] = {}
        self._attributes: dict[str, int] = {}
        self._attribute_names: dict[int, str] = {}
        self._entities: dict[str, int] = {}
        self._kinds: dict[str, str] = {}
        self._series: dict[Full, int] = {}
        self._by_number: dict[int, Series] = {}
        self._by_name: dict[SeriesKey, list[int]] = {}
        self._indexed = 0
        self._made: WeakKeyDictionary[Transaction, dict[Full, int]] = WeakKeyDictionary()
        self._made_entities: WeakKeyDictionary[Transaction, dict[str, int]] = WeakKeyDictionary()

    def at_epoch(self, epoch: int) -> None:
        """Forget everything if numbers have been taken back since we last looked."""
        if epoch != self._epoch:
            self._epoch = epoch
            self._entities.clear()
            self._kinds.clear()
            self._series.clear()
            self._by_number.clear()
            self._by_name.clear()
            self._indexed = 0

    async def type_no(self, tx: Transaction, name: str) -> int | None:
        """The number of a type, if there is one."""
        if name not in self._types:
            found = await tx.value("SELECT type_no FROM keep.type WHERE name = %s", (name,))
            if found is None:
                return None
            self._types[name] = int(found)
        return self._types[name]

    async def attribute_no(self, tx: Transaction, name: str) -> int | None:
        """The number of an attribute, if there is one."""
        if name not in self._attributes:
            found = await tx.value("SELECT attribute_no FROM keep.attribute WHERE name = %s", (name,))
            if found is None:
                return None
            self._attributes[name] = int(found)
        return self._attributes[name]

    async def attribute_name(self, tx: Transaction, number: int) -> str:
        """The name of an attribute."""
        if number not in self._attribute_names:
            rows = await tx.all("SELECT attribute_no, name FROM keep.attribute")
            self._attribute_names.update({row["attribute_no"]: row["name"] for row in rows})
        return self._attribute_names[number]

    async def named(self, tx: Transaction, table: str, names: Sequence[str]) -> dict[str, int]:
        """Numbers of names in `type` or `attribute`, made if need be."""
        sql = f"SELECT name, {table}_no AS no FROM keep.{table} WHERE name = ANY(%s)"
        found = {row["name"]: row["no"] for row in await tx.all(sql, (list(names),))}
        missing = sorted(set(names) - set(found))
        if missing:
            await tx.run(
                f"INSERT INTO keep.{table} (name) SELECT unnest(%s::text[]) ON CONFLICT DO NOTHING",
                (missing,),
            )
            found |= {row["name"]: row["no"] for row in await tx.all(sql, (list(names),))}
        return found

    async def entity_numbers(self, tx: Transaction, ids: Iterable[tuple[str, str]]) -> dict[str, int]:
        """Numbers of entities given as (id, type), made if need be."""
        made = self._made_entities.get(tx, {})
        wanted = dict(ids)
        found: dict[str, int] = {}
        missing: list[str] = []
        for id in wanted:
            number = self._entities.get(id) or made.get(id)
            if number is None:
                missing.append(id)
            else:
                found[id] = number
        if not missing:
            return found
        sql = "SELECT id, entity_no FROM keep.entity WHERE id = ANY(%s)"
        for row in await tx.all(sql, (missing,)):
            found[row["id"]] = row["entity_no"]
            self._entities[row["id"]] = row["entity_no"]
        missing = sorted(id for id in missing if id not in found)
        if missing:
            types = await self.named(tx, "type", sorted({wanted[id] for id in missing}))
            await tx.run(
                "INSERT INTO keep.entity (id, type_no, created_at, modified_at)"
                " SELECT id, type_no, %s, %s FROM unnest(%s::text[], %s::int[]) AS t(id, type_no)"
                " ORDER BY id ON CONFLICT DO NOTHING",
                (self._clock.now(), self._clock.now(), missing, [types[wanted[id]] for id in missing]),
            )
            mine = self._made_entities.setdefault(tx, {})
            for row in await tx.all(sql, (missing,)):
                found[row["id"]] = mine[row["id"]] = row["entity_no"]
        return found

    async def kinds(self, tx: Transaction, ids: Sequence[str]) -> dict[str, str]:
        """The types of those entities that are there, by their ids."""
        self.at_epoch(await tx.value("SELECT epoch FROM keep.position"))
        missing = [id for id in ids if id not in self._kinds]
        if missing:
            # What others have committed by now stays; what this transaction makes itself is not there yet.
            for row in await tx.all(
                "SELECT e.id, t.name FROM keep.entity e JOIN keep.type t USING (type_no) WHERE e.id = ANY(%s)",
                (missing,),
            ):
                self._kinds[row["id"]] = row["name"]
        return {id: self._kinds[id] for id in ids if id in self._kinds}

    async def series_numbers(self, tx: Transaction, full: Sequence[Full]) -> list[int]:
        """Numbers of series, in order; series and entities are made if need be, with an empty state."""
        known = self._series
        made = self._made.get(tx, {})
        numbers = [known.get(key) or made.get(key) or 0 for key in full]
        missing = sorted({key for key, number in zip(full, numbers, strict=True) if not number})
        if not missing:
            return numbers
        entities = await self.entity_numbers(tx, ((key.entity, key.type) for key, _ in missing))
        attributes = await self.named(tx, "attribute", sorted({key.attribute for key, _ in missing}))
        columns: dict[str, list[Any]] = {
            "entity": [entities[key.entity] for key, _ in missing],
            "attribute": [attributes[key.attribute] for key, _ in missing],
            "dataset": [key.dataset for key, _ in missing],
            "unit": [unit for _, unit in missing],
        }
        found = await self._find(tx, columns)
        fresh = [i for i, number in enumerate(found) if not number]
        for i, number in enumerate(found):
            if number:
                known[missing[i]] = number
        if fresh:
            some = {name: [values[i] for i in fresh] for name, values in columns.items()}
            await tx.run(
                "WITH made AS (INSERT INTO keep.series (entity_no, attribute_no, dataset, unit, made_at)"
                " SELECT e, a, d, u, %(now)s FROM unnest(%(entity)s::bigint[], %(attribute)s::int[],"
                " %(dataset)s::text[], %(unit)s::text[]) AS t(e, a, d, u) ORDER BY e, a, d, u"
                " ON CONFLICT DO NOTHING RETURNING series_no, entity_no, attribute_no)"
                " INSERT INTO keep.state (series_no, entity_no, attribute_no)"
                " SELECT series_no, entity_no, attribute_no FROM made ORDER BY series_no",
                {"now": self._clock.now(), **some},
            )
            mine = self._made.setdefault(tx, {})
            for i, number in zip(fresh, await self._find(tx, some), strict=True):
                mine[missing[i]] = found[i] = number
        lookup = dict(zip(missing, found, strict=True))
        return [number or lookup[key] for key, number in zip(full, numbers, strict=True)]

    async def _find(self, tx: Transaction, columns: dict[str, list[Any]]) -> list[int]:
        rows = await tx.all(
            "SELECT t.i, s.series_no FROM unnest(%(entity)s::bigint[], %(attribute)s::int[],"
            " %(dataset)s::text[], %(unit)s::text[]) WITH ORDINALITY AS t(e, a, d, u, i)"
            " JOIN keep.series s ON s.entity_no = t.e AND s.attribute_no = t.a AND s.dataset = t.d"
            " AND s.unit = t.u",
            columns,
        )
        found = [0] * len(columns["entity"])
        for row in rows:
            found[row["i"] - 1] = row["series_no"]
        return found

    _SERIES = (
        "SELECT s.series_no, e.id, ty.name AS type, a.name AS attribute, s.dataset, s.unit, s.made_at"
        " FROM keep.series s JOIN keep.entity e USING (entity_no) JOIN keep.type ty USING (type_no)"
        " JOIN keep.attribute a USING (attribute_no)"
    )

    @staticmethod
    def _as_series(row: dict[str, Any]) -> Series:
        made_at: datetime = row["made_at"]
        key = SeriesKey(row["id"], row["type"], row["attribute"], row["dataset"])
        return Series(number=row["series_no"], key=key, unit=row["unit"], made_at=made_at)

    async def of_entity(self, tx: Transaction, entity: str) -> list[Series]:
        """The series of an entity."""
        sql = f"{self._SERIES} WHERE e.id = %s ORDER BY a.name, s.dataset, s.unit"
        return [self._as_series(row) for row in await tx.all(sql, (entity,))]

    async def after(self, tx: Transaction, number: int) -> list[Series]:
        """All series with a higher number."""
        sql = f"{self._SERIES} WHERE s.series_no > %s ORDER BY s.series_no"
        return [self._as_series(row) for row in await tx.all(sql, (number,))]

    async def by_number(self, tx: Transaction, numbers: Sequence[int]) -> dict[int, Series]:
        """Series by their numbers."""
        missing = [n for n in numbers if n not in self._by_number]
        if missing:
            sql = f"{self._SERIES} WHERE s.series_no = ANY(%s)"
            for row in await tx.all(sql, (missing,)):
                self._by_number[row["series_no"]] = self._as_series(row)
        return {n: self._by_number[n] for n in numbers if n in self._by_number}

    async def by_key(self, tx: Transaction, keys: Sequence[SeriesKey]) -> list[int]:
        """Numbers of keys, 0 if unknown; among several units the series with the newest state."""
        if len(keys) > MANY:
            return await self._by_many_keys(tx, keys)
        rows = await tx.all(
            "SELECT DISTINCT ON (t.i) t.i, s.series_no"
            " FROM unnest(%s::text[], %s::text[], %s::text[]) WITH ORDINALITY AS t(e, a, d, i)"
            " JOIN keep.entity e ON e.id = t.e JOIN keep.attribute a ON a.name = t.a"
            " JOIN keep.series s ON s.entity_no = e.entity_no AND s.attribute_no = a.attribute_no"
            " AND s.dataset = t.d JOIN keep.state st ON st.series_no = s.series_no"
            " ORDER BY t.i, st.observed_at DESC NULLS LAST, s.unit",
            ([k.entity for k in keys], [k.attribute for k in keys], [k.dataset for k in keys]),
        )
        found = [0] * len(keys)
        for row in rows:
            found[row["i"] - 1] = row["series_no"]
        return found

    async def _by_many_keys(self, tx: Transaction, keys: Sequence[SeriesKey]) -> list[int]:
        """The same from an index of all series that we keep for it; those of several units are asked for."""
        self.at_epoch(await tx.value("SELECT epoch FROM keep.position"))
        for _ in range(2):
            for series in await self.after(tx, self._indexed):
                self._by_name.setdefault(series.key, []).append(series.number)
                self._indexed = series.number
            if sum(map(len, self._by_name.values())) == await tx.value("SELECT count(*) FROM keep.series"):
                break
            # Who took a lower number may have committed later, or what we saw made was undone.
            self._by_name.clear()
            self._indexed = 0
        found = [self._by_name.get(key, ()) for key in keys]
        several = [place for place, numbers in enumerate(found) if len(numbers) > 1]
        answer = [numbers[0] if numbers else 0 for numbers in found]
        for start in range(0, len(several), MANY):
            places = several[start : start + MANY]
            numbers = await self.by_key(tx, [keys[place] for place in places])
            for place, number in zip(places, numbers, strict=True):
                answer[place] = number
        return answer

"""The sources there are: seeded from files, edited by people, told to whoever keeps the stations.

What a person has edited is not overwritten by the file it once came from; a changed file changes the rest. The
one thing to know: a source is the same object until its declaration changes, so that what has been made ready
for it (a mapping's tables, a pattern) can be remembered by it.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import structlog

from datlanh.collect import door, tt10
from datlanh.collect.source import declare, plain
from datlanh.kernel import Clock, Database, Transaction, queries
from datlanh.model.errors import BadInput, Conflict, NotFound
from datlanh.model.messages.collect import SourceSaved
from datlanh.model.pack import Packs
from datlanh.model.source import FILE_PROTOCOLS, Source, Window

log = structlog.get_logger(__name__)

# What comes over NGSI-LD names its own entities; it has no declaration, only this.
NGSILD = Source(
    id="ngsi-ld",
    name={"vi": "Ghi qua NGSI-LD", "en": "NGSI-LD writes"},
    protocol="ngsild",
    codec="ngsild",
    window=Window(oldest=timedelta(days=365_000)),
)

# What a codec has to say about a declaration before it is saved: raises BadInput with the place of the fault.
CHECKS: dict[str, Callable[[Source], object]] = {"tt10": tt10.plan}

_sql = queries(__package__)


def check(source: Source) -> None:
    """Refuse a declaration that cannot work."""
    ask = CHECKS.get(source.codec)
    if ask is not None:
        ask(source)
    door.check(source)
    if source.protocol in FILE_PROTOCOLS:
        tt10.compile_name(source)


class Registry:
    """All sources, as of the last look."""

    def __init__(self, database: Database, clock: Clock, packs: Packs | None) -> None:
        self._database = database
        self._clock = clock
        self._packs = packs
        # Whoever writes an attribute, its series is kept in the unit that its type declares.
        units = {
            f"{type_.id}.{attribute.name}": attribute.unit
            for type_ in (packs.types.values() if packs is not None else ())
            for attribute in type_.attributes.values()
            if attribute.unit
        }
        self._ngsild = replace(NGSILD, mapping={"units": units})
        self._position = ""
        self._sources: dict[str, Source] = {NGSILD.id: self._ngsild}
        self._told: dict[str, tuple[int, bytes]] = {}

    @property
    def known(self) -> Mapping[str, Source]:
        """Every source as of the last look; at first only what needs no declaration."""
        return self._sources

    async def all(self, tx: Transaction | None = None) -> Mapping[str, Source]:
        """Every source by id, as it is declared now."""
        if tx is None:
            async with self._database.read() as own:
                return await self.all(own)
        position = await tx.value(_sql["sources_position"])
        if position != self._position:
            await self._load(tx)
            self._position = position
        return self._sources

    async def _load(self, tx: Transaction) -> None:
        sources: dict[str, Source] = {NGSILD.id: self._ngsild}
        told: dict[str, tuple[int, bytes]] = {}
        for row in await tx.all(_sql["sources"]):
            name, version = row["id"], row["version"]
            mark = (version, msgspec.json.encode(row["declaration"]))
            told[name] = mark
            if self._told.get(name) == mark:
                sources[name] = self._sources[name]
                continue
            try:
                sources[name] = declare(name, row["declaration"], version=version)
            except BadInput as error:
                # Written by another version of the platform: this source rests, the others work.
                log.error("source_unreadable", source=name, error=str(error))
        self._sources, self._told = sources, told

    async def one(self, source: str) -> Source:
        """One source; refuses an unknown id."""
        found = (await self.all()).get(source)
        if found is None:
            raise NotFound("collect.no_source", source=source)
        return found

    def draft(self, source: str, told: Mapping[str, Any]) -> Source:
        """A checked source made of a declaration that is not saved."""
        made = declare(source, told, self._packs)
        check(made)
        return made

    async def save(
        self, source: str, told: Mapping[str, Any], *, by: str, version: int | None = None
    ) -> Source:
        """Save what a person has declared; `version` is the one they started from, if there was one."""
        draft = self.draft(source, told)
        async with self._database.transaction() as tx:
            before = await tx.one(_sql["source"], {"id": source})
            if version is not None and before is not None and before["version"] != version:
                raise Conflict("collect.source_changed", source=source, version=before["version"])
            next_ = (before["version"] if before else 0) + 1
            seed = before["seed"] if before else ""
            await self._write(tx, draft, next_, seed=seed, edited=True, by=by)
        return (await self.all())[source]

    async def seed(self, sources: Sequence[Source]) -> int:
        """Load what files declare; how many were new or changed. The same files again change nothing."""
        changed = 0
        async with self._database.transaction() as tx:
            await tx.run("LOCK TABLE collect.source IN SHARE ROW EXCLUSIVE MODE")
            known = {row["id"]: row for row in await tx.all(_sql["sources"])}
            for source in sources:
                check(source)
                seed = hashlib.sha256(msgspec.json.encode(plain(source), order="sorted")).hexdigest()
                before = known.get(source.id)
                if before is not None and before["seed"] == seed:
                    continue
                if before is not None and before["edited"]:
                    log.warning("source_edited_here", source=source.id)
                    continue
                await self._write(
                    tx,
                    source,
                    (before["version"] if before else 0) + 1,
                    seed=seed,
                    edited=False,
                    by="program:seed",
                )
                changed += 1
        return changed

    async def _write(
        self, tx: Transaction, source: Source, version: int, *, seed: str, edited: bool, by: str
    ) -> None:
        now = self._clock.now()
        await tx.run(
            _sql["save_source"],
            {
                "id": source.id,
                "declaration": msgspec.json.encode(plain(source)).decode(),
                "version": version,
                "seed": seed,
                "edited": edited,
                "now": now,
                "by": by,
            },
        )
        station = source.station
        tx.tell(
            SourceSaved(
                source=source.id,
                enabled=source.enabled,
                owner_unit=source.owner_unit,
                entity=station.id if station else None,
                type=station.type if station else None,
                name=dict(station.name if station else source.name),
                place=station.place if station else None,
                area=station.area if station else "",
                facts=dict(station.facts) if station else {},
                at=now,
            )
        )

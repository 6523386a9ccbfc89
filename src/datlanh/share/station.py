"""Stations: what a dot on the map, a row in a list and the page of a station say.

A station is an entity of a type that a pack declares. Its state is told by what is known, in this order: an open
alarm, silence (nothing newer than twice its cadence), no value that counts, else it is well.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from datlanh.keep import EntityQuestion
from datlanh.kernel import Transaction
from datlanh.kernel.clock import PROVINCE_ZONE
from datlanh.kernel.names import sort_key
from datlanh.model.alarm import Alarm, AlarmFilter
from datlanh.model.errors import NotFound
from datlanh.model.indicator import IndicatorDeclaration, IndicatorValue
from datlanh.model.person import Caller
from datlanh.model.reading import Quality
from datlanh.model.series import Entity, StateValue
from datlanh.model.source import Source
from datlanh.share import link, shapes
from datlanh.share.alarm import AlarmBook
from datlanh.share.figure import Figures
from datlanh.share.floors import Floors
from datlanh.share.naming import Names, names
from datlanh.share.word import is_stale, quality_word, told, unit_shown

DEFAULT_CADENCE = timedelta(hours=1)
# Alarms this grave make a station red; lesser ones ask for attention.
GRAVE = 2


@dataclass(frozen=True, slots=True)
class Scoped:
    """A row with what decides who may see it."""

    unit: str | None
    area: str | None
    row: shapes.StationBrief


@dataclass(frozen=True, slots=True)
class _Around:
    """What is asked once for many stations."""

    sources: Mapping[str, Source]
    indices: Mapping[tuple[str, str], IndicatorValue]
    alarms: Mapping[str, Sequence[Alarm]]
    names: Names


class StationBook:
    """Questions about stations."""

    def __init__(self, floors: Floors, alarms: AlarmBook, figures: Figures) -> None:
        self._floors = floors
        self._alarms = alarms
        self._figures = figures

    # --- lists --------------------------------------------------------------------------------------------

    async def scoped(self, tx: Transaction, language: str, ids: Sequence[str] = ()) -> list[Scoped]:
        """The stations (all, or those with these ids), by name in the order of Vietnamese."""
        types = tuple(self._floors.packs.types)
        if not types:
            return []
        entities = await self._floors.keep.entities(EntityQuestion(types=types, ids=ids, limit=None), tx)
        around = await self._around(tx, entities)
        rows = [self._scoped(entity, around, language) for entity in entities]
        return sorted(rows, key=lambda s: (sort_key(s.row.name), s.row.id))

    async def seen_by(self, tx: Transaction, caller: Caller, language: str) -> list[shapes.StationBrief]:
        """The stations that the caller may see."""
        reach = caller.reach("overview.read")
        return [
            scoped.row
            for scoped in await self.scoped(tx, language)
            if any(scope.covers(scoped.unit, scoped.area) for scope in reach)
        ]

    async def _around(self, tx: Transaction, entities: Sequence[Entity]) -> _Around:
        floors = self._floors
        sources = {s.station.id: s for s in await floors.collect.sources() if s.station is not None}
        ids = [entity.id for entity in entities]
        found = await floors.measure.latest(tx, [i.id for i in self._index_declarations()], ids)
        alarms: dict[str, list[Alarm]] = {}
        rows, _ = await floors.operate.alarms(tx, AlarmFilter(open_only=True, limit=1000))
        for alarm in rows:
            if alarm.entity:
                alarms.setdefault(alarm.entity, []).append(alarm)
        return _Around(sources, {(v.subject, v.indicator): v for v in found}, alarms, await names(floors))

    def briefs(
        self,
        entities: Sequence[Entity],
        *,
        sources: Mapping[str, Source],
        indices: Sequence[IndicatorValue],
        alarms: Mapping[str, Sequence[Alarm]],
        names: Names,
        language: str,
    ) -> list[Scoped]:
        """Stations as rows, from what is handed in: for a picture of another time than now."""
        around = _Around(sources, {(v.subject, v.indicator): v for v in indices}, alarms, names)
        return [self._scoped(entity, around, language) for entity in entities]

    def index_declarations(self) -> list[IndicatorDeclaration]:
        """The indicators that stand for a station on the map."""
        return self._index_declarations()

    def _index_declarations(self) -> list[IndicatorDeclaration]:
        """The indicator of each type that has bands (for air: VN_AQI of the hour): the shortest period speaks."""
        best: dict[str, IndicatorDeclaration] = {}
        for indicator in self._floors.packs.indicators.values():
            if indicator.bands and indicator.subject in self._floors.packs.types:
                known = best.get(indicator.subject)
                if known is None or (indicator.every, indicator.id) < (known.every, known.id):
                    best[indicator.subject] = indicator
        return list(best.values())

    def _index(
        self, entity: Entity, around: _Around, language: str
    ) -> tuple[int | None, str | None, str | None]:
        now = self._floors.clock.now()
        for indicator in self._index_declarations():
            if indicator.subject == entity.type:
                value = around.indices.get((entity.id, indicator.id))
                if value is None or value.value is None or now - value.period.end > 2 * indicator.every:
                    return None, None, None
                band = value.detail.get("band")
                if not isinstance(band, str):
                    return round(value.value), None, None
                word = self._floors.packs.word(f"{indicator.pack}.band.{band}", language)
                return round(value.value), band, word
        return None, None, None

    def cadence(self, entity: Entity, source: Source | None) -> timedelta:
        """How often a value of this station is expected."""
        if source is not None and source.cadence:
            return source.cadence
        templates = [t.cadence for t in self._floors.packs.sources.values() if t.type == entity.type]
        return min(templates, default=DEFAULT_CADENCE)

    def _headline(self, entity: Entity, language: str) -> tuple[shapes.Headline | None, StateValue | None]:
        declared = self._floors.packs.headline(entity.type)
        by_name = {v.key.attribute: v for v in entity.values if not v.key.dataset}
        if declared is None or (declared.name not in by_name and by_name):
            type_ = self._floors.packs.types.get(entity.type)
            order = list(type_.attributes) if type_ else []
            name = next((n for n in order if n in by_name), None) or next(iter(sorted(by_name)), None)
            if name is None:
                return None, None
            declared = self._floors.packs.attribute(entity.type, name)
        else:
            name = declared.name
        value = by_name.get(name)
        unit = value.unit if value else declared.unit_code if declared else ""
        return (
            shapes.Headline(
                attribute=name,
                title=(declared.symbol or told(declared.title, language)) if declared else name,
                value=value.value if value and value.quality == Quality.MEASURED else None,
                unit=unit_shown(unit, declared),
            ),
            value,
        )

    def _scoped(self, entity: Entity, around: _Around, language: str) -> Scoped:
        source = around.sources.get(entity.id)
        now = self._floors.clock.now()
        headline, _ = self._headline(entity, language)
        seen = max((v.observed_at for v in entity.values), default=None)
        aqi, band, band_title = self._index(entity, around, language)
        owner = _owner(entity, source)
        area = _area(entity, source)
        return Scoped(
            owner,
            area,
            shapes.StationBrief(
                id=entity.id,
                name=_name(entity, source, language),
                type=entity.type,
                place=entity.place,
                area=area,
                aqi=aqi,
                aqi_band=band,
                aqi_title=band_title,
                headline=headline,
                observed_at=seen,
                state=_state(
                    entity, around.alarms.get(entity.id, ()), seen, self.cadence(entity, source), now
                ),
                owner_unit=owner,
                area_name=around.names.area(area),
                owner=around.names.unit(owner),
            ),
        )

    # --- one station --------------------------------------------------------------------------------------

    async def station(
        self, tx: Transaction, id: str, caller: Caller, language: str, position: int
    ) -> shapes.Station:
        """All there is to know of a station now."""
        floors = self._floors
        entity = await floors.keep.entity(id, tx)
        if entity is None or entity.type not in floors.packs.types:
            raise NotFound("share.no_such_station", id=id)
        around = await self._around(tx, [entity])
        scoped = self._scoped(entity, around, language)
        await self.must_see(tx, entity, caller, "station.read")
        brief = scoped.row
        source = around.sources.get(id)
        now = floors.clock.now()
        cadence = self.cadence(entity, source)
        type_ = floors.packs.types[entity.type]
        attributes = []
        order = {name: place for place, name in enumerate(type_.attributes)}
        for value in sorted(entity.values, key=lambda v: (order.get(v.key.attribute, 999), v.key)):
            declared = type_.attributes.get(value.key.attribute)
            stale = is_stale(value.observed_at, cadence, now)
            attributes.append(
                shapes.AttributeNow(
                    name=value.key.attribute,
                    dataset=value.key.dataset,
                    title=(declared.symbol or told(declared.title, language))
                    if declared
                    else value.key.attribute,
                    value=value.value,
                    text=None,
                    unit=unit_shown(value.unit, declared),
                    observed_at=value.observed_at,
                    quality=quality_word(value.quality),  # type: ignore[arg-type]
                    stale=stale,
                    limits=await self.limits(tx, entity, value.key.attribute, value.unit, now, language),
                    why=link.why(
                        link.OfReading(
                            entity=id,
                            attribute=value.key.attribute,
                            dataset=value.key.dataset,
                            at=value.observed_at,
                        )
                    ),
                )
            )
        return shapes.Station(
            position=position,
            at=now,
            id=id,
            name=brief.name,
            type=entity.type,
            type_title=told(type_.title, language),
            place=brief.place,
            area=brief.area,
            area_name=brief.area_name,
            aqi=brief.aqi,
            aqi_band=brief.aqi_band,
            aqi_title=brief.aqi_title,
            headline=brief.headline,
            observed_at=brief.observed_at,
            state=brief.state,
            owner_unit=brief.owner_unit,
            owner=brief.owner,
            cadence_s=int(cadence.total_seconds()),
            attributes=attributes,
            indicators=await self._figures.of_subject(tx, entity.type, id, language),
            alarms=await self._alarms.rows(tx, list(around.alarms.get(id, ())), language)
            if caller.may("alarm.read", unit=scoped.unit or "", area=scoped.area or "")
            else [],
            source=await self._source(tx, source, language),
        )

    async def must_see(self, tx: Transaction, entity: Entity, caller: Caller, permission: str) -> None:
        """Go on only if the caller holds the permission where this station is; else it is as if it were not."""
        if any(scope.everywhere for scope in caller.reach(permission)):
            return
        source = await self._source_for(tx, entity.id)
        if not caller.may(permission, unit=_owner(entity, source) or "", area=_area(entity, source) or ""):
            raise NotFound("share.no_such_station", id=entity.id)

    async def seen(self, tx: Transaction, id: str, caller: Caller, permission: str) -> Entity:
        """A station that the caller may see; else it is as if it were not."""
        entity = await self._floors.keep.entity(id, tx)
        if entity is None:
            raise NotFound("share.no_such_station", id=id)
        await self.must_see(tx, entity, caller, permission)
        return entity

    async def _source_for(self, tx: Transaction, entity: str) -> Source | None:
        for source in await self._floors.collect.sources():
            if source.station is not None and source.station.id == entity:
                return source
        return None

    async def source_of(self, tx: Transaction, entity: str) -> str | None:
        """The source that speaks of an entity."""
        source = await self._source_for(tx, entity)
        return source.id if source else None

    def name_of(self, entity: Entity, language: str) -> str:
        """The name of a station."""
        return _name(entity, None, language)

    async def limits(
        self, tx: Transaction, entity: Entity, attribute: str, unit: str, at: datetime, language: str
    ) -> list[shapes.Limit]:
        """What an attribute of an entity is held against on the day of `at`."""
        declared = self._floors.packs.attribute(entity.type, attribute)
        day = at.astimezone(PROVINCE_ZONE).date()
        return [
            shapes.Limit(
                title=told(limit.title, language),
                low=bounds.low,
                high=bounds.high,
                unit=unit_shown(bounds.unit or unit, declared),
                reference=bounds.reference,
            )
            for limit, bounds in await self._floors.measure.limits(
                tx, entity.type, entity.id, attribute, on=day
            )
        ]

    async def _source(
        self, tx: Transaction, source: Source | None, language: str
    ) -> shapes.SourceOfStation | None:
        if source is None:
            return None
        live = (await self._floors.collect.live(source.id)).get(source.id)
        return shapes.SourceOfStation(
            id=source.id,
            name=told(source.name, language) or source.id,
            last_seen=live.last_seen if live else None,
        )


def _name(entity: Entity, source: Source | None, language: str) -> str:
    name = entity.plain("name")
    if isinstance(name, str | Mapping) and (said := told(name, language)):
        return said
    if source is not None and source.station is not None and (said := told(source.station.name, language)):
        return said
    return entity.id.rsplit(":", 1)[-1]


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _owner(entity: Entity, source: Source | None) -> str | None:
    return (source.owner_unit if source is not None else None) or _text(entity.plain("ownerUnit"))


def _area(entity: Entity, source: Source | None) -> str | None:
    said = _text(entity.plain("areaCode"))
    return said or (
        source.station.area or None if source is not None and source.station is not None else None
    )


def _state(
    entity: Entity, alarms: Iterable[Alarm], seen: datetime | None, cadence: timedelta, now: datetime
) -> shapes.StationState:
    worst = min((alarm.severity for alarm in alarms if alarm.ended_at is None), default=None)
    if worst is not None and worst <= GRAVE:
        return "alarm"
    if seen is None:
        return "unknown"
    if is_stale(seen, cadence, now):
        return "silent"
    if worst is not None:
        return "attention"
    fresh = [v for v in entity.values if not is_stale(v.observed_at, cadence, now)]
    if not any(v.quality == Quality.MEASURED for v in fresh):
        return "unknown"
    return "ok"

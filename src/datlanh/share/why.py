"""Why: where a number on a screen comes from, down to the raw line a station sent.

For an indicator: its formula in words, the law it stands on, its inputs, each with its own why. For a reading:
the batch it came in with its hash, the raw line, and every other value that was known for the same instant.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from datlanh.kernel import Transaction
from datlanh.kernel.clock import PROVINCE_ZONE, from_micros
from datlanh.kernel.words import say
from datlanh.model.errors import NotFound
from datlanh.model.indicator import PROVINCE, IndicatorDeclaration, Input, ReadKind
from datlanh.model.person import Caller
from datlanh.model.reading import SeriesKey
from datlanh.model.series import Version
from datlanh.share import link, shapes
from datlanh.share.floors import Floors
from datlanh.share.source import SourceBook, shown
from datlanh.share.station import StationBook
from datlanh.share.word import quality_word, told, unit_shown

MOST_INPUTS = 200
MOST_RAW = 2000


class WhyBook:
    """Answers why."""

    def __init__(self, floors: Floors, stations: StationBook, sources: SourceBook) -> None:
        self._floors = floors
        self._stations = stations
        self._sources = sources

    async def why(
        self,
        tx: Transaction,
        of: link.Number,
        caller: Caller,
        language: str,
        as_known_at: datetime | None = None,
    ) -> shapes.Why:
        """Where a number comes from, for a caller who may see it."""
        if isinstance(of, link.OfReading):
            return await self._of_reading(tx, of, caller, language, as_known_at)
        return await self._of_indicator(tx, of, caller, language)

    # --- a reading ----------------------------------------------------------------------------------------

    async def _of_reading(
        self, tx: Transaction, of: link.OfReading, caller: Caller, language: str, as_known_at: datetime | None
    ) -> shapes.Why:
        floors = self._floors
        entity = await floors.keep.entity(of.entity, tx)
        if entity is None:
            raise NotFound("share.no_such_station", id=of.entity)
        await self._stations.must_see(tx, entity, caller, "why.read")
        series = await floors.keep.find_series(
            SeriesKey(of.entity, entity.type, of.attribute, of.dataset), tx
        )
        if series is None:
            raise NotFound(
                "share.no_such_series", entity=of.entity, attribute=of.attribute, dataset=of.dataset
            )
        found = await floors.keep.reading(series.number, of.at, as_known_at=as_known_at, tx=tx)
        if found is None:
            raise NotFound(
                "share.no_such_reading", entity=of.entity, attribute=of.attribute, at=of.at.isoformat()
            )
        declared = floors.packs.attribute(entity.type, of.attribute)
        name = told(declared.title, language) if declared else of.attribute
        raw_allowed = caller.may("journal.read")
        batch, raw = await self._batch(tx, found.current, raw_allowed, language)
        versions = sorted((found.current, *found.corrections), key=lambda v: v.known_at)
        return shapes.Why(
            title=f"{name} · {self._stations.name_of(entity, language)}",
            value=found.current.value,
            unit=unit_shown(series.unit, declared),
            at=of.at,
            quality=quality_word(found.current.quality),  # type: ignore[arg-type]
            formula=None,
            law=[],
            inputs=[],
            batch=batch,
            raw=raw,
            corrections=[
                shapes.Correction(value=v.value, known_at=v.known_at, revision=from_micros(v.revision))
                for v in versions
            ]
            if found.corrections
            else [],
        )

    async def _batch(
        self, tx: Transaction, version: Version, raw_allowed: bool, language: str
    ) -> tuple[shapes.Batch | None, shapes.RawLine | None]:
        try:
            entry = await self._floors.collect.raw(version.journal)
        except NotFound:
            return None, None
        batch = shapes.Batch(
            source=entry.source,
            source_name=await self._sources.name(entry.source, language),
            received_at=entry.received_at,
            hash=entry.hash,
            journal=version.journal,
            file_name=entry.file_name,
            href=link.journal(version.journal) if raw_allowed else None,
        )
        try:
            line = await self._floors.collect.line(version.journal, version.line)
        except NotFound:
            return batch, None
        return batch, shapes.RawLine(line=version.line, text=shown(line, MOST_RAW))

    # --- an indicator -------------------------------------------------------------------------------------

    async def _of_indicator(
        self, tx: Transaction, of: link.OfIndicator, caller: Caller, language: str
    ) -> shapes.Why:
        floors = self._floors
        place = ""
        if of.subject != PROVINCE and of.subject.startswith("urn:"):
            entity = await floors.keep.entity(of.subject, tx)
            if entity is None:
                raise NotFound("share.no_such_station", id=of.subject)
            await self._stations.must_see(tx, entity, caller, "why.read")
            place = f" · {self._stations.name_of(entity, language)}"
        found = await floors.measure.why(tx, of.indicator, of.subject, of.end)
        if found is None:
            raise NotFound("share.no_such_value", indicator=of.indicator, subject=of.subject)
        value = found.value
        declared = floors.packs.indicators.get(of.indicator)
        inputs: list[shapes.WhyInput] = []
        for one in found.inputs:
            inputs.extend(await self._inputs(tx, one, language))
        corrections = [*found.superseded, value] if found.superseded else []
        return shapes.Why(
            title=told(found.title, language) + place,
            value=_rounded(value.value, declared),
            unit=unit_shown(value.unit or (declared.unit if declared else "")),
            at=value.period.end,
            quality=None,
            formula=shapes.Formula(
                name=of.indicator,
                text=found.text,
                pack=found.pack,
                version=f"{found.pack_version} {found.formula}",
            ),
            law=[
                shapes.Law(
                    parameter=law.parameter,
                    title=told(law.title, language),
                    value=_shown(law.value),
                    unit=unit_shown(law.unit),
                    reference=law.reference,
                    since=law.since,
                )
                for law in found.law
            ],
            inputs=inputs[:MOST_INPUTS],
            batch=None,
            raw=None,
            corrections=[
                shapes.Correction(value=_rounded(v.value, declared), known_at=known_at, revision=None)
                for v in corrections
                if (known_at := v.known_at or v.computed_at) is not None
            ],
        )

    async def _inputs(self, tx: Transaction, one: Input, language: str) -> list[shapes.WhyInput]:
        """The numbers behind an input: each reading or value with its own why."""
        match one.kind:
            case ReadKind.READINGS:
                return await self._readings(tx, one, language)
            case ReadKind.VALUES:
                return await self._values(tx, one, [one.subject], language)
            case ReadKind.ACROSS:
                return await self._across(tx, one, language)
            case _:
                return []

    async def _readings(self, tx: Transaction, one: Input, language: str) -> list[shapes.WhyInput]:
        type, _, attribute = one.of.partition(".")
        declared = self._floors.packs.attribute(type, attribute)
        title = (declared.symbol or told(declared.title, language)) if declared else attribute
        series = await self._floors.keep.find_series(SeriesKey(one.subject, type, attribute), tx)
        if series is None or one.begin is None or one.end is None:
            return [_nothing(title, one, language)]
        # Readings are stamped with the end of their averaging time: the period is (begin, end].
        moment = timedelta(microseconds=1)
        rows = await self._floors.keep.raw([series.number], one.begin + moment, one.end + moment, tx=tx)
        if not len(rows.observed_at):
            return [_nothing(title, one, language)]
        found = []
        for at_us, value, quality in list(zip(rows.observed_at, rows.value, rows.quality, strict=True))[
            -MOST_INPUTS:
        ]:
            at = from_micros(int(at_us))
            of = link.OfReading(entity=one.subject, attribute=attribute, dataset="", at=at)
            found.append(
                shapes.WhyInput(
                    title=title,
                    value=float(value),
                    unit=unit_shown(series.unit, declared),
                    at=at,
                    quality=quality_word(int(quality)),  # type: ignore[arg-type]
                    href=link.why(of),
                )
            )
        return found

    async def _values(
        self, tx: Transaction, one: Input, subjects: Sequence[str], language: str
    ) -> list[shapes.WhyInput]:
        declared = self._floors.packs.indicators.get(one.of)
        title = told(declared.title, language) if declared else one.of
        if one.begin is None or one.end is None:
            return [_nothing(title, one, language)]
        found = []
        for subject in subjects:
            for value in await self._floors.measure.values(tx, one.of, subject, one.begin, one.end):
                of = link.OfIndicator(indicator=one.of, subject=subject, end=value.period.end)
                found.append(
                    shapes.WhyInput(
                        title=title if len(subjects) == 1 else f"{title} · {subject.rsplit(':', 1)[-1]}",
                        value=_rounded(value.value, declared),
                        unit=unit_shown(value.unit or (declared.unit if declared else "")),
                        at=value.period.end,
                        quality=None,
                        href=link.why(of),
                    )
                )
        return found or [_nothing(title, one, language)]

    async def _across(self, tx: Transaction, one: Input, language: str) -> list[shapes.WhyInput]:
        declared = self._floors.packs.indicators.get(one.of)
        title = told(declared.title, language) if declared else one.of
        found = []
        for value in await self._floors.measure.latest(tx, [one.of]):
            if one.end is not None and value.period.end > one.end:
                continue
            of = link.OfIndicator(indicator=one.of, subject=value.subject, end=value.period.end)
            found.append(
                shapes.WhyInput(
                    title=f"{title} · {value.subject.rsplit(':', 1)[-1]}",
                    value=_rounded(value.value, declared),
                    unit=unit_shown(value.unit or (declared.unit if declared else "")),
                    at=value.period.end,
                    quality=None,
                    href=link.why(of),
                )
            )
        return sorted(found, key=lambda i: i.title) or [_nothing(title, one, language)]


def _rounded(value: float | None, declared: IndicatorDeclaration | None) -> float | None:
    """A value as it is shown elsewhere: one picture for all."""
    return round(value, declared.decimals) if value is not None and declared is not None else value


def _nothing(title: str, one: Input, language: str) -> shapes.WhyInput:
    said = say("share.input_have_of", language, have=one.have, of=one.of_all)
    return shapes.WhyInput(
        title=f"{title} ({said})", value=None, unit="", at=one.end, quality=None, href=None
    )


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list | tuple):
        return "; ".join(_shown(v) for v in value)
    if isinstance(value, dict):
        return "; ".join(f"{k}: {_shown(v)}" for k, v in value.items())
    return str(value)


def text_of(answer: shapes.Why, language: str) -> str:
    """The whole answer as plain text, for the command line."""
    lines = [f"{answer.title}: {answer.value if answer.value is not None else '–'} {answer.unit}".rstrip()]
    if answer.at:
        lines.append(f"  {answer.at.astimezone(PROVINCE_ZONE).isoformat(timespec='seconds')}")
    if answer.formula:
        lines += [
            f"  {answer.formula.name} ({answer.formula.pack} {answer.formula.version})",
            f"  {answer.formula.text}",
        ]
    lines += [f"  § {law.title} = {law.value} {law.unit} · {law.reference}" for law in answer.law]
    for one in answer.inputs:
        at = one.at.astimezone(PROVINCE_ZONE).isoformat(timespec="minutes") if one.at else ""
        lines.append(
            f"  ← {one.title} {at} {one.value if one.value is not None else '–'} {one.unit} {one.quality or ''}"
        )
    if answer.batch:
        b = answer.batch
        lines.append(
            f"  ⇐ {b.source_name} {b.file_name or ''} #{b.journal} {b.received_at.isoformat()} sha256:{b.hash}"
        )
    if answer.raw:
        lines.append(f"  {say('share.line', language)} {answer.raw.line}: {answer.raw.text}")
    for c in answer.corrections:
        lines.append(f"  ~ {c.value} ({c.known_at.isoformat(timespec='seconds')})")
    return "\n".join(line.rstrip() for line in lines)

"""Figures: an indicator's value as a number that never stands alone.

Unknown and stale are states of their own, never zero and never green. A value is stale when its period ended
longer ago than twice the indicator's rhythm.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from datlanh.kernel import Transaction
from datlanh.kernel.clock import PROVINCE_ZONE
from datlanh.model.errors import BadInput, NotFound
from datlanh.model.indicator import PROVINCE, IndicatorDeclaration, IndicatorValue
from datlanh.share import link, shapes
from datlanh.share.floors import Floors
from datlanh.share.word import millis, told, unit_shown

TREND = timedelta(hours=24)
LONG_TREND = timedelta(days=30)
MOST_VALUES = 20_000


class Figures:
    """Questions about indicators, answered as figures."""

    def __init__(self, floors: Floors) -> None:
        self._floors = floors

    async def headlines(self, tx: Transaction, language: str) -> list[shapes.Figure]:
        """The numbers of the overview, in the order the packs give them."""
        return await self._figures(tx, self._floors.packs.headlines(), PROVINCE, language)

    async def of_subject(
        self, tx: Transaction, type: str, subject: str, language: str
    ) -> list[shapes.Figure]:
        """Every indicator that is computed for this subject."""
        return await self._figures(tx, self._floors.packs.indicators_of(type), subject, language)

    def declared(self, language: str) -> list[shapes.IndicatorRow]:
        """Every indicator that a pack declares."""
        return [
            shapes.IndicatorRow(
                id=i.id,
                title=told(i.title, language),
                unit=unit_shown(i.unit),
                subject=i.subject,
                every_s=int(i.every.total_seconds()),
                text=i.text,
                pack=i.pack,
                version=i.version,
                decimals=i.decimals,
            )
            for i in self._floors.packs.indicators.values()
        ]

    async def values(
        self,
        tx: Transaction,
        id: str,
        subject: str,
        begin: datetime,
        end: datetime,
        as_known_at: datetime | None,
        language: str,
    ) -> shapes.IndicatorValues:
        """What an indicator was worth over a time, now or as it was known at an instant."""
        declared = self._floors.packs.indicators.get(id)
        if declared is None:
            raise NotFound("share.no_such_indicator", indicator=id)
        if (end - begin) / declared.every > MOST_VALUES:
            raise BadInput("share.period_too_long", where="from", years=10)
        found = await self._floors.measure.values(tx, id, subject, begin, end, as_known_at=as_known_at)
        points = []
        for value in found:
            band = value.detail.get("band")
            of = link.OfIndicator(indicator=id, subject=subject, end=value.period.end)
            points.append(
                shapes.IndicatorPoint(
                    begin=value.period.begin,
                    end=value.period.end,
                    value=None if value.value is None else round(value.value, declared.decimals),
                    band=band if isinstance(band, str) else None,
                    have=value.have,
                    of=value.of_all,
                    why=link.why(of),
                )
            )
        return shapes.IndicatorValues(
            id=id,
            subject=subject,
            title=told(declared.title, language),
            unit=unit_shown(declared.unit),
            as_known_at=as_known_at,
            limit=self._limit(declared, end.astimezone(PROVINCE_ZONE).date()),
            points=points,
        )

    async def _figures(
        self, tx: Transaction, declared: Sequence[IndicatorDeclaration], subject: str, language: str
    ) -> list[shapes.Figure]:
        if not declared:
            return []
        latest = await self._floors.measure.latest(tx, [i.id for i in declared], [subject])
        by_id = {value.indicator: value for value in latest}
        return [await self.figure(tx, i, subject, by_id.get(i.id), language) for i in declared]

    async def figure(
        self,
        tx: Transaction,
        declared: IndicatorDeclaration,
        subject: str,
        value: IndicatorValue | None,
        language: str,
    ) -> shapes.Figure:
        """One number with its limit, its trend and its why."""
        now = self._floors.clock.now()
        span = TREND if declared.every <= timedelta(hours=3) else LONG_TREND
        past = await self._floors.measure.values(tx, declared.id, subject, now - span, now + declared.every)
        limit = self._limit(declared, now.astimezone(PROVINCE_ZONE).date())
        return shapes.Figure(
            key=declared.id,
            title=told(declared.title, language),
            value=round(value.value, declared.decimals)
            if value is not None and value.value is not None
            else None,
            unit=unit_shown(declared.unit),
            state=figure_state(declared, value, limit, now),
            at=value.period.end if value is not None else None,
            target=None,
            limit=limit,
            trend=[(millis(v.period.end), v.value) for v in past],
            coverage=shapes.Coverage(have=value.have, of=value.of_all)
            if value is not None and value.of_all
            else None,
            why=link.why(link.OfIndicator(indicator=declared.id, subject=subject, end=value.period.end))
            if value is not None
            else None,
        )

    def _limit(self, declared: IndicatorDeclaration, day: date) -> shapes.FigureLimit | None:
        if declared.limit is None:
            return None
        try:
            found = self._floors.packs.parameter(declared.limit, day)
            return shapes.FigureLimit(value=found.number, reference=found.reference)
        except (NotFound, TypeError, ValueError):
            return None


def figure_state(
    declared: IndicatorDeclaration,
    value: IndicatorValue | None,
    limit: shapes.FigureLimit | None,
    now: datetime,
) -> shapes.FigureState:
    """How a figure is to be read: unknown, stale, asking for attention, or normal."""
    if value is None or value.value is None:
        return "unknown"
    if now - value.period.end > 2 * declared.every + declared.settle:
        return "stale"
    if limit is not None:
        over = value.value < limit.value if declared.better == "high" else value.value > limit.value
        if over:
            return "attention"
    return "normal"

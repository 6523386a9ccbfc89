"""The loop closes: what the number that an incident or directive means to move did before, during and after it.

It never says that one caused the other; it shows the number in its normal band, and what else happened in that time.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from datlanh.kernel import PROVINCE_ZONE, Transaction
from datlanh.kernel.words import say
from datlanh.model.errors import BadInput, NotFound
from datlanh.model.person import Caller
from datlanh.operate.replay import Past
from datlanh.share import effect, link
from datlanh.share.alarm import sees
from datlanh.share.floors import Floors
from datlanh.share.naming import names
from datlanh.share.word import told, unit_shown

MOST_AROUND = 20
LONGEST = timedelta(days=400)
MOST_PERIODS = 40_000

Verdict = Literal[
    "said",
    "too_early",
    "not_enough_before",
    "not_enough_after",
    "not_enough_weeks",
    "running",
    "no_indicator",
    "no_values",
]
Where = Literal["inside", "above", "below", "unknown"]
Good = Literal["better", "worse", "neither", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectWindow:
    """A stretch of time and what the number was in it."""

    begin: datetime
    end: datetime
    have: int
    of: int
    median: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectBand:
    """What is normal, by so many earlier weeks."""

    low: float
    middle: float
    high: float
    weeks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectPoint:
    """A period: the number, and what it has been at that hour of that weekday in earlier weeks."""

    at: datetime
    value: float | None
    low: float | None
    middle: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectOther:
    """Something else that went on in that time. That it did does not mean that it moved the number."""

    kind: str
    id: str
    code: str
    title: str
    severity: int | None
    begin: datetime
    end: datetime | None
    same_place: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What can honestly be said of the number; `says` are the sentences for people, `good` which way it went."""

    about: str
    id: str
    code: str
    indicator: str | None
    title: str
    unit: str
    decimals: int
    subject: str | None
    subject_name: str
    better: str | None
    began_at: datetime
    ended_at: datetime | None
    at: datetime
    verdict: Verdict
    level: Where
    step: Where
    good: Good
    change: float | None
    before: EffectWindow | None
    during: EffectWindow | None
    after: EffectWindow | None
    level_band: EffectBand | None
    step_band: EffectBand | None
    points: list[EffectPoint]
    others: list[EffectOther]
    says: list[str]
    why: str | None


class EffectBook:
    """Questions about what moved."""

    def __init__(self, floors: Floors) -> None:
        self._floors = floors
        self._past = Past()

    async def of(
        self,
        tx: Transaction,
        caller: Caller,
        *,
        about: str,
        id: str,
        code: str,
        indicator: str | None,
        subject: str | None,
        begin: datetime,
        end: datetime | None,
        area: str | None,
        language: str,
        window: timedelta | None = None,
    ) -> Effect:
        """The number of an incident or directive, before, during and after it."""
        now = self._floors.clock.now()
        nothing = Effect(
            about=about,
            id=id,
            code=code,
            indicator=indicator,
            title="",
            unit="",
            decimals=1,
            subject=subject,
            subject_name="",
            better=None,
            began_at=begin,
            ended_at=end,
            at=now,
            verdict="no_indicator",
            level="unknown",
            step="unknown",
            good="unknown",
            change=None,
            before=None,
            during=None,
            after=None,
            level_band=None,
            step_band=None,
            points=[],
            others=[],
            says=[say("report.effect.no_indicator", language)],
            why=None,
        )
        if indicator is None or subject is None:
            return nothing
        declared = self._floors.packs.indicators.get(indicator)
        if declared is None:
            raise NotFound("share.no_such_indicator", indicator=indicator)
        stop = end or now
        if stop - begin > LONGEST:
            begin = stop - LONGEST  # of what went on for years, the last of it
        width = window or effect.window_for(declared.every)
        if width < declared.every or width > timedelta(days=180):
            raise BadInput("report.effect_window", where="hours", most=180 * 24)
        since = effect.reach(width, begin, stop)
        if (now - since) / declared.every > MOST_PERIODS:
            raise BadInput("report.effect_window", where="hours", most=24)
        found = await self._floors.measure.values(tx, indicator, subject, since, min(stop + width, now))
        values = {value.period.end: value.value for value in found}
        grain = 10.0**-declared.decimals
        made = effect.compare(
            values,
            every=declared.every,
            begin=begin,
            end=end,
            now=now,
            zone=PROVINCE_ZONE,
            window=width,
            grain=grain,
        )
        verdict: Verdict = made.verdict if any(v is not None for v in values.values()) else "no_values"
        others = await self._others(tx, caller, id, area, made, min(stop + width, now), language)
        known = await names(self._floors)
        shown = {one.at: one for one in made.expected}
        last = max((at for at, value in values.items() if value is not None), default=None)
        return Effect(
            about=about,
            id=id,
            code=code,
            indicator=indicator,
            title=told(declared.title, language),
            unit=unit_shown(declared.unit),
            decimals=declared.decimals,
            subject=subject,
            subject_name=known.area(subject) or subject.rsplit(":", 1)[-1],
            better=declared.better,
            began_at=begin,
            ended_at=end,
            at=now,
            verdict=verdict,
            level=made.level,
            step=made.step,
            good=_good(declared.better, made),
            change=made.change,
            before=_window(made.before),
            during=_window(made.during),
            after=_window(made.after),
            level_band=_band(made.level_band),
            step_band=_band(made.step_band),
            points=[
                EffectPoint(at=at, value=values.get(at), low=one.low, middle=one.middle, high=one.high)
                for at, one in shown.items()
            ],
            others=others,
            says=_says(verdict, made, others, unit_shown(declared.unit), declared.decimals, width, language),
            why=link.why(link.OfIndicator(indicator=indicator, subject=subject, end=last)) if last else None,
        )

    async def _others(
        self,
        tx: Transaction,
        caller: Caller,
        id: str,
        area: str | None,
        made: effect.Comparison,
        end: datetime,
        language: str,
    ) -> list[EffectOther]:
        reach = caller.reach("incident.read")
        found = await self._past.around(tx, made.before.begin, end, [id])
        rows = [
            EffectOther(
                kind=one.kind,
                id=one.id,
                code=one.code,
                title=told(one.title, language),
                severity=one.severity,
                begin=one.begin,
                end=one.end,
                same_place=area is not None and one.area == area,
            )
            for one in found
            if sees(reach, one.unit, one.area)
        ]
        rows.sort(key=lambda one: (not one.same_place, one.severity or 9, one.begin))
        return rows[:MOST_AROUND]


def _good(better: str | None, made: effect.Comparison) -> Good:
    """Which way the number went, where it went further than it does by itself."""
    if made.verdict != "said" or made.step == "unknown" or better not in ("high", "low"):
        return "unknown"
    if made.step == "inside":
        return "neither"
    return "better" if (made.step == "above") == (better == "high") else "worse"


def _window(window: effect.Window | None) -> EffectWindow | None:
    if window is None:
        return None
    return EffectWindow(
        begin=window.begin,
        end=window.end,
        have=window.have,
        of=window.of,
        median=window.median,
        low=window.low,
        high=window.high,
    )


def _band(band: effect.Band | None) -> EffectBand | None:
    if band is None:
        return None
    return EffectBand(low=band.low, middle=band.middle, high=band.high, weeks=band.weeks)


def _says(
    verdict: Verdict,
    made: effect.Comparison,
    others: list[EffectOther],
    unit: str,
    decimals: int,
    window: timedelta,
    language: str,
) -> list[str]:
    """What can be said, in sentences; the last one always that this is no proof of a cause."""

    def number(value: float | None) -> float | str:
        return "?" if value is None else round(value, decimals)

    says: list[str] = []
    if verdict != "said":
        hours = round(window / timedelta(hours=1))
        says.append(say(f"report.effect.{verdict}", language, hours=hours))
    else:
        assert made.after is not None and made.level_band is not None
        says.append(
            say(
                f"report.effect.level_{made.level}",
                language,
                value=number(made.after.median),
                low=number(made.level_band.low),
                high=number(made.level_band.high),
                unit=unit,
                weeks=made.level_band.weeks,
            )
        )
        if made.step_band is not None:
            says.append(
                say(
                    f"report.effect.step_{made.step}",
                    language,
                    before=number(made.before.median),
                    after=number(made.after.median),
                    low=number(made.step_band.low),
                    high=number(made.step_band.high),
                    unit=unit,
                )
            )
        missing = max(made.before.missing, made.after.missing)
        if missing >= 0.1:
            says.append(say("report.effect.missing", language, percent=round(100 * missing)))
    near = sum(1 for one in others if one.same_place)
    if others:
        says.append(say("report.effect.others", language, count=len(others), near=near))
    if verdict not in ("no_indicator", "no_values"):
        says.append(say("report.effect.no_cause", language))
    return says

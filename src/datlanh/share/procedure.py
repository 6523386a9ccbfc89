"""Procedures as people read them: steps with their forks in words, versions, differences, what one would have done."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from datlanh.kernel import Transaction
from datlanh.kernel.words import say
from datlanh.model.errors import NotFound
from datlanh.model.incident import Incident, Step
from datlanh.model.pack import Packs, ProcedureDeclaration
from datlanh.model.procedure import Change, ProcedureVersion, When
from datlanh.operate import Operate, Procedures
from datlanh.operate.deadline import Due, by
from datlanh.operate.incident import planned
from datlanh.operate.procedure import differences, dry_run
from datlanh.people import WorkingCalendar
from datlanh.share.incident import condition_text
from datlanh.share.word import told

VersionState = Literal["pack", "draft", "review", "approved", "withdrawn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureMistake:
    """What is wrong with a text, on which line, and what to do."""

    line: int
    what: str
    todo: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureOutput:
    """What a step gives."""

    id: str
    kind: str
    title: str
    unit: str
    choices: list[str]
    required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureStep:
    """A step of a procedure; steps of one `row` may run at the same time."""

    id: str
    title: str
    text: str
    role: str
    role_title: str
    unit: str | None
    within_s: int
    working: bool
    after: list[str]
    when: list[str]
    outputs: list[ProcedureOutput]
    wants: str | None
    row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureVersionRow:
    """A version; number 0 is the pack's file. `holds` is the one that holds now."""

    number: int
    label: str
    state: VersionState
    holds: bool
    authors: list[str]
    author_ids: list[str]
    changed_at: datetime | None
    submitted_at: datetime | None
    reviewer: str | None
    reviewed_at: datetime | None
    review: str
    effective_at: datetime | None
    based_on: int
    note: str
    mistakes: list[ProcedureMistake]
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureRow:
    """A procedure in the library."""

    id: str
    title: str
    pack: str
    kind_title: str | None
    lead_title: str
    steps: int
    number: int
    label: str
    holds_since: datetime | None
    drafts: int
    in_review: int
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureList:
    """The library."""

    rows: list[ProcedureRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedurePage:
    """A procedure, read in one version."""

    id: str
    title: str
    reference: str
    text: str
    kind_title: str | None
    lead_title: str
    closes: str
    ladder: str | None
    shown: ProcedureVersionRow
    steps: list[ProcedureStep]
    yaml: str
    versions: list[ProcedureVersionRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureChecked:
    """What became of a text: mistakes, or steps."""

    mistakes: list[ProcedureMistake]
    title: str
    steps: list[ProcedureStep]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureChange:
    """One difference in words; `what` is added, removed, moved or changed."""

    step: str
    step_title: str
    what: Literal["added", "removed", "moved", "changed"]
    part: str
    part_title: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureDiff:
    """How two versions differ."""

    before: int
    after: int
    changes: list[ProcedureChange]


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRunStep:
    """What a step would have come to."""

    id: str
    title: str
    role_title: str
    verdict: Literal["kept", "missed", "not_done", "not_needed", "unknown"]
    ready_at: datetime | None
    due_at: datetime | None
    done_at: datetime | None
    late_s: int | None
    assumed: bool
    lacks: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """A version tried on a past incident."""

    procedure: str
    number: int
    incident: str
    incident_title: str
    opened_at: datetime
    closed_at: datetime | None
    ran: str  # the version that really ran
    steps: list[DryRunStep]
    kept: int
    missed: int
    not_done: int
    not_needed: int
    unknown: int


class Library:
    """Questions about procedures."""

    def __init__(
        self,
        packs: Packs,
        procedures: Procedures,
        operate: Operate,
        calendar: Callable[[], Awaitable[WorkingCalendar]],
    ) -> None:
        self._packs = packs
        self._procedures = procedures
        self._operate = operate
        self._calendar = calendar

    async def all(self, tx: Transaction, language: str) -> ProcedureList:
        """All procedures."""
        written: dict[str, list[ProcedureVersion]] = {}
        for version in await self._procedures.versions(tx):
            written.setdefault(version.procedure, []).append(version)
        rows = []
        for id in sorted({*self._packs.procedures, *written}):
            found, number = await self._procedures.effective(tx, id)
            versions = written.get(id, [])
            holds = next((one for one in versions if one.number == number), None)
            shown = found or await self._newest(versions)
            rows.append(
                ProcedureRow(
                    id=id,
                    title=told(shown.title, language) if shown else id,
                    pack=id.partition(".")[0],
                    kind_title=self._kind(shown, language),
                    lead_title=self._role(shown.lead, language) if shown else "",
                    steps=len(shown.steps) if shown else 0,
                    number=number,
                    label=found.version if found else "",
                    holds_since=holds.effective_at if holds else None,
                    drafts=sum(one.state.value == "draft" for one in versions),
                    in_review=sum(one.state.value == "review" for one in versions),
                    reference=shown.reference if shown else "",
                )
            )
        return ProcedureList(rows=rows)

    async def _newest(self, versions: Sequence[ProcedureVersion]) -> ProcedureDeclaration | None:
        for one in versions:
            found, _ = self._procedures.check(one.procedure, one.text)
            if found is not None:
                return found
        return None

    def _kind(self, found: ProcedureDeclaration | None, language: str) -> str | None:
        kind = self._packs.incident_kinds.get(found.kind or "") if found else None
        return told(kind.title, language) if kind else None

    def _role(self, role: str, language: str) -> str:
        pack, dot, name = role.partition(".")
        return (
            self._packs.word(f"{pack}.role.{name}", language) if dot else say(f"people.role.{role}", language)
        )

    def checked(self, id: str, text: str, language: str) -> ProcedureChecked:
        """What is wrong with a text, or its steps."""
        found, mistakes = self._procedures.check(id, text)
        return ProcedureChecked(
            mistakes=[ProcedureMistake(line=m.line, what=m.what, todo=m.todo) for m in mistakes],
            title=told(found.title, language) if found else "",
            steps=self._steps(found, language) if found else [],
        )

    async def page(self, tx: Transaction, id: str, number: int | None, language: str) -> ProcedurePage:
        """A procedure, in the version that holds now or the one that is asked for."""
        versions = await self._procedures.versions(tx, id)
        if not versions and id not in self._packs.procedures:
            raise NotFound("operate.no_such_procedure", procedure=id)
        effective, holds = await self._procedures.effective(tx, id)
        wanted = number if number is not None else holds if effective else versions[0].number
        text = await self._procedures.text(tx, id, wanted)
        found, _ = (self._packs.procedures.get(id), ()) if wanted == 0 else self._procedures.check(id, text)
        rows = [self._version(one, effective is not None and one.number == holds) for one in versions]
        declared = self._packs.procedures.get(id)
        if declared is not None:
            rows.append(_of_pack(declared, holds == 0))
        return ProcedurePage(
            id=id,
            title=told(found.title, language) if found else id,
            reference=found.reference if found else "",
            text=told(found.text, language) if found else "",
            kind_title=self._kind(found, language),
            lead_title=self._role(found.lead, language) if found else "",
            closes=found.closes if found else "by_hand",
            ladder=found.ladder if found else None,
            shown=next(row for row in rows if row.number == wanted),
            steps=self._steps(found, language) if found else [],
            yaml=text,
            versions=rows,
        )

    @staticmethod
    def _version(one: ProcedureVersion, holds: bool) -> ProcedureVersionRow:
        return ProcedureVersionRow(
            number=one.number,
            label=one.label,
            state=one.state.value,
            holds=holds,
            authors=[author.name for author in one.authors],
            author_ids=[author.id for author in one.authors],
            changed_at=one.changed_at,
            submitted_at=one.submitted_at,
            reviewer=one.reviewer.name if one.reviewer else None,
            reviewed_at=one.reviewed_at,
            review=one.review,
            effective_at=one.effective_at,
            based_on=one.based_on,
            note=one.note,
            mistakes=[ProcedureMistake(line=m.line, what=m.what, todo=m.todo) for m in one.mistakes],
            version=one.version,
        )

    def _steps(self, found: ProcedureDeclaration, language: str) -> list[ProcedureStep]:
        steps = {step.id: step for step in planned(found)}
        rows: dict[str, int] = {}
        made = []
        for step in found.steps:
            rows[step.id] = max((rows[id] + 1 for id in step.after), default=0)
            made.append(
                ProcedureStep(
                    id=step.id,
                    title=told(step.title, language),
                    text=told(step.text, language),
                    role=step.role,
                    role_title=self._role(step.role, language),
                    unit=step.unit,
                    within_s=int(step.within.total_seconds()),
                    working=step.working_time,
                    after=list(step.after),
                    when=[condition_text(one, steps, self._packs, language) for one in step.when],
                    outputs=[
                        ProcedureOutput(
                            id=one.id,
                            kind=one.kind,
                            title=told(one.title, language),
                            unit=one.unit,
                            choices=[told(words, language) for words in one.choices.values()],
                            required=one.required,
                        )
                        for one in step.outputs
                    ],
                    wants=step.evidence,
                    row=rows[step.id],
                )
            )
        return made

    async def diff(self, tx: Transaction, id: str, before: int, after: int, language: str) -> ProcedureDiff:
        """How two versions differ, in words."""
        old = await self._procedures.declared(tx, id, before)
        new = await self._procedures.declared(tx, id, after)
        titles = {step.id: told(step.title, language) for step in (*old.steps, *new.steps)}
        return ProcedureDiff(
            before=before,
            after=after,
            changes=[
                self._change(
                    one, titles, {s.id: s for s in planned(old)}, {s.id: s for s in planned(new)}, language
                )
                for one in differences(old, new)
            ],
        )

    def _change(
        self,
        one: Change,
        titles: Mapping[str, str],
        old: Mapping[str, Step],
        new: Mapping[str, Step],
        language: str,
    ) -> ProcedureChange:
        changed = one.what == "changed"
        return ProcedureChange(
            step=one.step,
            step_title=titles.get(one.step, ""),
            what=one.what,  # type: ignore[arg-type]
            part=one.part,
            part_title=say(f"procedure.part.{one.part}", language) if one.part else "",
            before=self._said(one.part, one.before, old, language) if changed else "",
            after=self._said(one.part, one.after, new, language) if changed else "",
        )

    def _said(self, part: str, value: Any, steps: Mapping[str, Step], language: str) -> str:
        """A part of a step in words."""
        if value is None or value == "" or value == ():
            return ""
        if part in ("title", "text"):
            return told(value, language)
        if part in ("role", "lead"):
            return self._role(value, language)
        if isinstance(value, timedelta):
            return duration(value, language)
        if isinstance(value, bool):
            return say(f"incident.{'yes' if value else 'no'}", language)
        if part == "evidence":
            return say(f"operate.evidence.{value}", language)
        if part == "closes":
            return say(f"procedure.closes.{value}", language)
        if part == "after":
            return ", ".join(told(steps[id].title, language) if id in steps else id for id in value)
        if part == "when":
            return "; ".join(
                condition_text(one, steps, self._packs, language) for one in value if isinstance(one, When)
            )
        if part == "outputs":
            return "; ".join(
                " ".join(p for p in (told(one.title, language), f"({one.unit})" if one.unit else "") if p)
                for one in value
            )
        return str(value)

    async def dry_run(
        self, tx: Transaction, id: str, number: int, incident: Incident, language: str
    ) -> DryRun:
        """A version tried on a past incident."""
        plan = await self._procedures.declared(tx, id, number)
        log = await self._operate.log_of(tx, incident.id)
        due: Due = by(await self._calendar())
        rules = {name: rule.function for name, rule in self._packs.step_rules.items()}
        steps = [
            DryRunStep(
                id=one.step,
                title=told(one.title, language),
                role_title=self._role(one.role, language),
                verdict=one.verdict,  # type: ignore[arg-type]
                ready_at=one.ready_at,
                due_at=one.due_at,
                done_at=one.done_at,
                late_s=int((one.done_at - one.due_at).total_seconds())
                if one.done_at is not None and one.due_at is not None and one.done_at > one.due_at
                else None,
                assumed=one.assumed,
                lacks=list(one.lacks),
            )
            for one in dry_run(plan, incident, log, due, rules)
        ]
        count = {
            verdict: sum(one.verdict == verdict for one in steps)
            for verdict in ("kept", "missed", "not_done", "not_needed", "unknown")
        }
        return DryRun(
            procedure=id,
            number=number,
            incident=incident.code,
            incident_title=told(incident.title, language),
            opened_at=incident.opened_at,
            closed_at=incident.closed_at,
            ran=incident.procedure_version,
            steps=steps,
            **count,
        )


def _of_pack(found: ProcedureDeclaration, holds: bool) -> ProcedureVersionRow:
    return ProcedureVersionRow(
        number=0,
        label=found.version,
        state="pack",
        holds=holds,
        authors=[],
        author_ids=[],
        changed_at=None,
        submitted_at=None,
        reviewer=None,
        reviewed_at=None,
        review="",
        effective_at=None,
        based_on=0,
        note="",
        mistakes=[],
        version=0,
    )


def duration(within: timedelta, language: str) -> str:
    """A duration in words."""
    left = int(within.total_seconds())
    said = []
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        count, left = divmod(left, size)
        if count:
            said.append(say(f"procedure.{unit}", language, n=count))
    return " ".join(said) or say("procedure.minutes", language, n=0)

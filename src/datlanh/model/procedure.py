"""Procedures: what a step asks for beyond words, when it runs at all, and the versions that people write.

Pure values. The one thing to know: a condition is data (`When`), never an expression; what data cannot say is a pure
function that the pack names. The file of the pack is version zero; what is written in the console comes after it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType

from datlanh.model.alarm import PersonRef, Text

ProcedureVersionId = NewType("ProcedureVersionId", str)

OUTPUT_KINDS = ("number", "choice", "yes_no", "text", "time", "place")
OPERATIONS = ("equals", "at_least", "at_most", "one_of")

Given = float | bool | str | tuple[float, ...] | None
"""What an output is worth: number, yes or no, choice or words, instant as text, place (longitude, latitude)."""
Outputs = Mapping[str, Mapping[str, Given]]
"""What steps have given so far: by step, by output."""
StepRule = Callable[[Outputs], bool]
"""A pure function of a pack that says whether a step runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What a step gives, typed, so that later steps can be decided by it and reports can quote it."""

    id: str
    kind: str  # number | choice | yes_no | text | time | place
    title: Text
    unit: str = ""
    choices: Mapping[str, Text] = field(default_factory=dict)
    low: float | None = None
    high: float | None = None
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """A condition on an output of an earlier step; or, as `function`, the name of a pack's own pure function."""

    step: str = ""
    output: str = ""
    op: str = "equals"  # equals | at_least | at_most | one_of
    value: tuple[float | bool | str, ...] = ()
    function: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRuleDeclaration:
    """A pure function of a pack that decides whether a step runs, by what steps have given so far."""

    id: str
    pack: str
    title: Text
    function: StepRule = field(compare=False)
    text: str = ""
    where: str = ""


class VersionState(StrEnum):
    """Where a version of a procedure is; the words are `procedure.state.<state>`."""

    DRAFT = "draft"
    REVIEW = "review"
    APPROVED = "approved"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """What is wrong with a text, on which line, and what to do."""

    line: int
    what: str
    todo: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureVersion:
    """A version that people wrote: its text, who wrote it, who reviewed it, and from when on it holds.

    `authors` are all who changed the text: none of them may approve it. `based_on` is the number of the version it
    was begun from (0: the pack's file).
    """

    id: ProcedureVersionId
    code: str  # as people say it: environment.poor_air/3
    procedure: str
    number: int
    version: int = 1
    state: VersionState = VersionState.DRAFT
    text: str
    label: str = ""  # the `version:` that the text itself says
    based_on: int = 0
    note: str = ""
    mistakes: tuple[Mistake, ...] = ()
    authors: tuple[PersonRef, ...]
    made_at: datetime
    changed_at: datetime
    submitted_at: datetime | None = None
    submitted_by: PersonRef | None = None
    reviewer: PersonRef | None = None
    reviewed_at: datetime | None = None
    review: str = ""
    effective_at: datetime | None = None
    withdrawn_at: datetime | None = None

    @property
    def title(self) -> Mapping[str, str]:
        """As it is named in notices."""
        return {"vi": self.code, "en": self.code}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference between two versions: of the whole (`step` empty) or of a step."""

    step: str
    what: str  # added | removed | moved | changed
    part: str = ""
    before: Any = None
    after: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DryStep:
    """What a step of a plan would have come to in a past incident.

    `verdict` is kept, missed, not_done (it was never done), not_needed, or unknown: nothing in the record of that
    incident says it; `assumed` says that its beginning is a guess, because an earlier step is unknown.
    """

    step: str
    title: Text
    role: str
    verdict: str  # kept | missed | not_done | not_needed | unknown
    ready_at: datetime | None = None
    due_at: datetime | None = None
    done_at: datetime | None = None
    assumed: bool = False
    lacks: tuple[str, ...] = ()

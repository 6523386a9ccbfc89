"""Rules: what a detection is for one subject on one day, its limits looked up. Watch and back-test both ask here.

Pure: it is handed the packs, the areas of the subject and the limits of its own permit.
"""

from collections.abc import Sequence
from datetime import date

from datlanh.detect.bounds import Own, bounds_on
from datlanh.detect.watch import UNBOUNDED, Rule
from datlanh.model.detection import Condition
from datlanh.model.indicator import Bounds
from datlanh.model.pack import DetectionDeclaration, Packs
from datlanh.model.reading import QUALITY_WORDS


def conditions(declared: DetectionDeclaration) -> tuple[Condition, ...]:
    """What begins an event, and what ends it where the pack says so."""
    return (declared.begins, declared.ends) if declared.ends else (declared.begins,)


def meant(declared: DetectionDeclaration, subject: str) -> bool:
    """Whether the pack means this subject."""
    if declared.only_entities and subject not in declared.only_entities:
        return False
    return subject not in declared.except_entities


def rule_on(
    packs: Packs,
    declared: DetectionDeclaration,
    subject: str,
    dataset: str,
    day: date,
    areas: Sequence[str],
    own: Own,
) -> Rule | None:
    """The rule of a subject on a day; None when the pack does not mean it, or a limit has no value then or there."""
    if not meant(declared, subject):
        return None
    worth: list[Bounds] = []
    for condition in conditions(declared):
        bounds = bounds_on(packs, condition, day, areas, own, declared.begins)
        if bounds is None:
            return None
        worth.append(bounds)
    return Rule(
        detection=declared.id,
        subject=subject,
        dataset=dataset,
        begins=declared.begins,
        bounds=worth[0],
        ends=declared.ends,
        ends_bounds=worth[1] if len(worth) > 1 else UNBOUNDED,
        accepts=frozenset(QUALITY_WORDS.index(word) for word in declared.accepts),
        on_time=declared.on_time,
        calendar=declared.calendar,
    )

"""What measuring tells."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from datlanh.model.messages import Message


@dataclass(frozen=True, kw_only=True)
class IndicatorComputed(Message):
    """An indicator has a new value for a subject and a period: the first one, or another than was known.

    Told once for each batch of equal indicator and period end. `values` and `details` go with `subjects`;
    None is "not known". `latest` says of each whether no later period of that subject has a value.
    """

    indicator: str
    begin: datetime
    end: datetime
    computed_at: datetime
    subjects: list[str]
    values: list[float | None]
    latest: list[bool]
    details: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class LimitChanged(Message):
    """An entity's own limit (its permit, its column and factors) may have changed and has to be asked for
    again."""

    limit: str
    entity: str

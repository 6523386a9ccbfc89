"""What detect tells: events begin and end."""

from dataclasses import dataclass
from datetime import datetime

from datlanh.model.messages import Message


@dataclass(frozen=True, kw_only=True)
class EventBegan(Message):
    """A detection has become true for a subject, long enough to be believed.

    Told once for each occurrence; `EventEnded` with the same id follows, sooner or later. `began_at` is when it
    became true, by the readings' own time, `at` when we knew. `series`, `observed_at`, `journal` and `line` lead
    to the reading that settled it (or `indicator` to the value). `kind` is `reading`, or what another system called
    it (`report`, `camera.smoke`); then `source`, `place`, `text`, `evidence` (a link) and `confidence` are as it said.
    """

    event: str
    detection: str
    subject: str
    entity: str | None = None
    area: str | None = None
    dataset: str = ""
    attribute: str = ""
    indicator: str | None = None
    severity: int
    began_at: datetime
    at: datetime
    observed_at: datetime | None = None
    value: float | None = None
    unit: str = ""
    limit: float | None = None
    limit_reference: str = ""
    series: int | None = None
    journal: int | None = None
    line: int | None = None
    kind: str = "reading"
    source: str = ""
    place: tuple[float, float] | None = None
    owner_unit: str | None = None
    text: str = ""
    evidence: str = ""
    confidence: float | None = None


@dataclass(frozen=True, kw_only=True)
class EventEnded(Message):
    """An event is over.

    `cause` is `condition`; `disabled` when its detection was switched off for the subject; `withdrawn` when its pack
    no longer declares it.
    """

    event: str
    detection: str
    subject: str
    began_at: datetime
    ended_at: datetime
    at: datetime
    value: float | None = None
    cause: str = "condition"


@dataclass(frozen=True, kw_only=True)
class DetectionDisabled(Message):
    """Somebody has switched a detection off for a subject, with a reason."""

    detection: str
    subject: str
    at: datetime
    by: str
    why: str


@dataclass(frozen=True, kw_only=True)
class DetectionEnabled(Message):
    """A detection that was off for a subject watches it again."""

    detection: str
    subject: str
    at: datetime
    by: str

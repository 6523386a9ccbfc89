"""Who takes part in an incident, and which vehicles, people and equipment it has.

Pure: (incident, command, now) → messages. The one thing to know: a resource only goes forward (requested, assigned, on
the way, arrived, released); steps on the way may be left out, and each that is taken has its instant.
"""

from datetime import datetime

from datlanh.model.alarm import PersonRef
from datlanh.model.errors import BadInput, Conflict, NotFound
from datlanh.model.incident import RESOURCE_KINDS, Incident, Participant, Resource, ResourceState
from datlanh.model.messages import Message
from datlanh.model.messages import incident as told
from datlanh.operate.incident import about, must_be_open

ORDER = tuple(ResourceState)
MOST = 500
MOST_OF_ONE = 10_000


def take_part(
    incident: Incident,
    id: str,
    *,
    as_what: str,
    person: PersonRef | None = None,
    unit: str | None = None,
    name: str = "",
    by: PersonRef,
    now: datetime,
) -> list[Message]:
    """Let a person or a unit take part as something; who does already is not noted twice."""
    must_be_open(incident)
    if (person is None) == (unit is None):
        raise BadInput("incident.person_or_unit", where="person")
    if not as_what.strip():
        raise BadInput("incident.as_what_needed", where="as_what")
    present = [one for one in incident.participants if one.until is None]
    if any((one.person, one.unit, one.as_what) == (person, unit, as_what.strip()) for one in present):
        return []
    if len(incident.participants) >= MOST:
        raise BadInput("incident.too_many", most=MOST)
    return [
        told.ParticipantJoined(
            **about(incident, now, by),
            participant=id,
            person=person,
            of_unit=unit,
            as_what=as_what.strip(),
            name=name or (person.name if person else unit or ""),
        )
    ]


def leave(
    incident: Incident, id: str, by: PersonRef, now: datetime, why: str = "", name: str = ""
) -> list[Message]:
    """A participant takes part no more."""
    must_be_open(incident)
    found = participant(incident, id)
    if found.until is not None:
        return []
    shown = name or (found.person.name if found.person else found.unit or "")
    return [told.ParticipantLeft(**about(incident, now, by), participant=id, name=shown, why=why)]


def participant(incident: Incident, id: str) -> Participant:
    """A participant of an incident."""
    found = next((one for one in incident.participants if one.id == id), None)
    if found is None:
        raise NotFound("incident.no_such_participant", id=id, code=incident.code)
    return found


def request(
    incident: Incident,
    id: str,
    *,
    kind: str,
    name: str,
    count: int,
    unit: str | None,
    by: PersonRef,
    now: datetime,
) -> list[Message]:
    """Ask for a vehicle, people or equipment."""
    must_be_open(incident)
    if kind not in RESOURCE_KINDS:
        raise BadInput("incident.no_such_resource_kind", where="kind", kind=kind)
    if not name.strip():
        raise BadInput("incident.resource_name_needed", where="name")
    if not 1 <= count <= MOST_OF_ONE:
        raise BadInput("incident.count_out_of_range", where="count", most=MOST_OF_ONE)
    if len(incident.resources) >= MOST:
        raise BadInput("incident.too_many", most=MOST)
    return [
        told.ResourceRequested(
            **about(incident, now, by),
            resource=id,
            kind=kind,
            name=name.strip(),
            count=count,
            of_unit=unit,
        )
    ]


def move(
    incident: Incident, id: str, to: ResourceState, by: PersonRef, now: datetime, why: str = ""
) -> list[Message]:
    """A resource has come further. Of two who say the same the second changes nothing; back it does not go."""
    must_be_open(incident)
    found = resource(incident, id)
    if found.state is to:
        return []
    if ORDER.index(to) < ORDER.index(found.state):
        raise Conflict(
            "incident.resource_goes_forward", name=found.name, state=found.state.value, to=to.value
        )
    return [
        told.ResourceMoved(**about(incident, now, by), resource=id, name=found.name, to=to.value, why=why)
    ]


def resource(incident: Incident, id: str) -> Resource:
    """A resource of an incident."""
    found = next((one for one in incident.resources if one.id == id), None)
    if found is None:
        raise NotFound("incident.no_such_resource", id=id, code=incident.code)
    return found

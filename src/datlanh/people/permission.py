"""Permissions and roles: the one explicit list of what can be allowed, and to whom it usually is.

A route names a permission, never a role. A role is a set of permissions; a person holds roles by grants (grant.py),
perhaps only for a unit or an area. Two things to know: the administrator has no access to content
(domain: operating regulations separate the two), and a key is never given more than `FOR_KEYS`.
"""

from types import MappingProxyType
from typing import Final

# name -> one sentence; the words for people are `people.permission.<name>` in strings/.
PERMISSIONS: Final = MappingProxyType(
    {
        "overview.read": "See the overview: the map, the numbers, live changes.",
        "station.read": "See stations and their newest values.",
        "history.read": "See and take away the history of a series.",
        "why.read": "See how a value came about: formula, inputs, law, source batch, raw line.",
        "area.read": "See areas and administrative units of any day.",
        "area.import": "Bring in official boundaries and changes of administrative units.",
        "alarm.read": "See alarms and their log.",
        "alarm.acknowledge": "Say that an alarm has been seen and is in hand.",
        "alarm.shelve": "Put an alarm aside until a stated time, with a reason; and take it back.",
        "alarm.comment": "Write into the log of an alarm.",
        "alarm.close": "Close an alarm by hand.",
        "alarm.maintain": "Plan and end maintenance windows, in which alarms are out of service.",
        "event.push": "Tell of events: a camera system, another centre, or a person on the telephone.",
        "incident.read": "See incidents, their steps, clocks and log.",
        "incident.open": "Open an incident, by itself or from an alarm.",
        "incident.comment": "Write into the log of an incident.",
        "incident.step": "Start and finish a step of an incident.",
        "incident.assign": "Give a step of an incident to somebody.",
        "incident.close": "Close an incident, with cause, end and resolver.",
        "incident.reopen": "Open a closed incident again.",
        "incident.edit": "Say what an incident is: its kind, severity, place, and the number it means to move.",
        "incident.staff": "Say who takes part in an incident, and which vehicles and equipment it has.",
        "incident.link": "Tie incidents together, merge and split them.",
        "attachment.add": "Bring a picture or document.",
        "attachment.read": "Open the files of what one may see.",
        "procedure.read": "Read procedures, their versions and differences.",
        "procedure.edit": "Write drafts of procedures and hand them in for review.",
        "procedure.approve": "Review what somebody else wrote: approve it from a time on, or give it back.",
        "task.read": "See the tasks of one's units and areas, and search them.",
        "own_task.read": "See the tasks that one has, sent, was offered or shares a unit with.",
        "task.comment": "Write into the log of tasks and directives.",
        "task.do": "Receive tasks, carry them out, refuse them and hand them over.",
        "task.send": "Send tasks, ask for reports, and say whether what came back is good.",
        "directive.read": "See the register of directives, cut to one's units and areas.",
        "directive.enter": "Enter directives into the register, split and correct them.",
        "directive.follow": "Follow directives up: accept, return, give more time, revoke.",
        "league.read": "See how units do with their tasks.",
        "league.publish": "Publish the league of a quarter, and correct it.",
        "duty.read": "See who is on duty, the plan of shifts, handovers and the shift log.",
        "duty.act": "Be on duty: hand over, take over, write into the shift log, ask for and take swaps.",
        "duty.lead": "Change the plan of shifts, approve swaps, note absences of others, take over with a reason.",
        "escalation.read": "See what was escalated, to whom and when.",
        "finding.read": "See what the auditor found without an owner or a next step.",
        "stage.read": "See the stages of the city, their criteria and who signed them.",
        "stage.say": "Say the value of an input of a stage, with its source.",
        "stage.propose": "Propose another stage for a hazard, with the reason.",
        "stage.sign": "Sign or refuse a proposed stage; never one's own.",
        "stage.do": "Report that what a stage asks of a unit is done.",
        "warning.read": "See warnings to the public, drafts too, and what came in from others.",
        "warning.draft": "Draft warnings to the public and ask for their confirmation.",
        "warning.confirm": "Confirm a warning that somebody else wrote; it goes out to the public then.",
        "cap.push": "Bring alerts of other senders (CAP); they become drafts, never warnings.",
        "notice.read": "Read one's own notices, and say how one wants to be told.",
        "ledger.read": "See what was sent to whom, every try and how it ended.",
        "report.read": "See reports and take them away as PDF or Word file.",
        "report.write": "Draft, edit, drop and correct reports.",
        "report.sign": "Sign reports under one's own name.",
        "replay.read": "See how things stood at an instant in the past, as known then.",
        "exercise.read": "See exercises, their scenarios and score sheets, and take part when invited.",
        "exercise.lead": "Make exercises, move their time, bring things in, end and clear them away.",
        "backtest.run": "Try a detection on the past before it is approved.",
        "source.read": "See sources, their state, scores and diagnostics.",
        "source.edit": "Create, test, change and switch off sources.",
        "journal.read": "See what was received, byte for byte.",
        "quarantine.read": "See what could not be understood, and why.",
        "quarantine.replay": "Send quarantined input through again.",
        "series.delete": "Delete a series for good, with proof.",
        "readings.push": "Push readings for a source.",
        "upload.write": "Upload a sheet of readings, look at its preview and commit it.",
        "mapping.edit": "Save and change the mapping of uploaded sheets.",
        "ngsild.read": "Read entities over NGSI-LD.",
        "ngsild.write": "Create, change and delete entities over NGSI-LD.",
        "audit.read": "Read the audit log and verify its chain.",
        "person.read": "See who has an account and which roles they hold.",
        "person.edit": "Create and disable accounts, grant and withdraw roles, end sessions.",
        "key.edit": "Issue and revoke API keys.",
        "metrics.read": "See the state of the platform itself: metrics, backlog, storage.",
    }
)

_SEE = frozenset(
    {
        "overview.read",
        "why.read",
        "station.read",
        "history.read",
        "area.read",
        "alarm.read",
        "incident.read",
        "source.read",
        "attachment.read",
        "procedure.read",
        "own_task.read",
        "stage.read",
        "warning.read",
        "notice.read",
        "report.read",
        "replay.read",
        "exercise.read",
    }
)
_ACT = frozenset(
    {"alarm.acknowledge", "alarm.comment", "incident.comment", "incident.step", "attachment.add", "task.do"}
    | {"stage.do", "task.comment"}
)
# Who gives orders or follows them up sees those of others, within reach; everybody sees and does their own.
_ORDERS = frozenset({"task.read", "task.send", "directive.read", "league.read"})
_RUN = frozenset({"incident.open", "incident.edit", "incident.staff", "incident.link"})
_WARN = frozenset({"stage.say", "warning.draft", "ledger.read"})
_PAPERS = frozenset({"report.write", "report.sign", "backtest.run"})
_ON_DUTY = frozenset({"duty.read", "duty.act", "escalation.read", "finding.read"})
_DUTY = (
    _SEE
    | _ACT
    | _RUN
    | _ORDERS
    | _ON_DUTY
    | _WARN
    | {"report.write", "alarm.shelve", "event.push", "quarantine.read", "journal.read", "ngsild.read"}
)
_WATCH = frozenset({"duty.read", "escalation.read", "finding.read"})
_LEAD = (
    _DUTY
    | _PAPERS
    | {"directive.enter", "duty.lead", "stage.propose", "exercise.lead"}
    | {"alarm.close", "alarm.maintain", "incident.assign", "incident.close", "quarantine.replay"}
)

# role -> permissions; the words are `people.role.<role>`. A province may not invent permissions, only roles.
ROLES: Final = MappingProxyType(
    {
        "duty_officer": _DUTY,
        "shift_lead": _LEAD,
        "ioc_director": _LEAD
        | {"procedure.edit", "procedure.approve", "directive.follow", "league.publish"}
        | {"incident.reopen", "audit.read", "person.read", "metrics.read", "warning.confirm"},
        "chair": _SEE
        | _ORDERS
        | {"directive.follow", "task.comment", "attachment.add", "report.write", "report.sign"}
        | _WATCH
        | {"alarm.comment", "incident.comment", "stage.propose", "stage.sign", "warning.confirm"},
        "domain_owner": _SEE
        | _ACT
        | _RUN
        | _ORDERS
        | _PAPERS
        | {"incident.assign", "incident.close", "procedure.edit", "procedure.approve"}
        | {"quarantine.read", "ngsild.read", "stage.say"},
        "data_owner": _SEE
        | {"task.do", "task.comment", "attachment.add"}
        | {
            "alarm.maintain",
            "source.edit",
            "journal.read",
            "quarantine.read",
            "quarantine.replay",
            "upload.write",
            "mapping.edit",
            "ngsild.read",
        },
        "commune_operator": _SEE | _ACT | {"task.read", "directive.read", "league.read"},
        "field_team": frozenset(
            {
                "overview.read",
                "area.read",
                "station.read",
                "incident.read",
                "incident.comment",
                "incident.step",
                "attachment.add",
                "attachment.read",
                "own_task.read",
                "task.comment",
                "task.do",
                "stage.read",
                "warning.read",
                "notice.read",
            }
        ),
        "integrator": frozenset(
            {
                "area.read",
                "source.read",
                "source.edit",
                "journal.read",
                "quarantine.read",
                "quarantine.replay",
                "readings.push",
                "upload.write",
                "mapping.edit",
                "ngsild.read",
                "ngsild.write",
                "notice.read",
                "cap.push",
            }
        ),
        "auditor": frozenset(
            {
                "audit.read",
                "area.read",
                "person.read",
                "overview.read",
                "why.read",
                "alarm.read",
                "incident.read",
            }
            | {"source.read", "journal.read", "attachment.read", "procedure.read"}
            | {"own_task.read", "task.read", "directive.read", "league.read"}
            | _WATCH
            | {"stage.read", "warning.read", "notice.read", "ledger.read"}
            | {"report.read", "replay.read"}
        ),
        "admin": frozenset(
            {
                "person.read",
                "person.edit",
                "key.edit",
                "area.read",
                "area.import",
                "metrics.read",
                "notice.read",
                "series.delete",
            }
        ),
    }
)

# What a key of a program may be given; acting in the name of a person is never among it.
FOR_KEYS: Final = frozenset(
    {
        "readings.push",
        "event.push",
        "upload.write",
        "mapping.edit",
        "ngsild.read",
        "ngsild.write",
        "overview.read",
        "area.read",
        "alarm.read",
        "incident.read",
        "source.read",
        "station.read",
        "history.read",
        "why.read",
        "metrics.read",
        "stage.read",
        "warning.read",
        "cap.push",
    }
)

# What says nothing about the content that the centre watches: all that an administrator may hold.
NOT_CONTENT: Final = frozenset(
    {"person.read", "person.edit", "key.edit", "area.read", "area.import", "metrics.read", "series.delete"}
    | {"notice.read"}
)


def permissions_of(roles: tuple[str, ...]) -> frozenset[str]:
    """All that these roles allow together; a role that no longer exists allows nothing."""
    return frozenset().union(*(ROLES.get(role, frozenset()) for role in roles))


def permissions_page() -> str:
    """The page `docs/reference/permissions.md`: what can be allowed, and which role holds it."""
    names = list(ROLES)
    lines = [
        "# Permissions and roles",
        "",
        "Made from `people/permission.py`; do not edit. A route names one permission; a person holds roles, perhaps",
        "only for a unit or an area and all below it. Keys of programs may hold those marked in the last column.",
        "",
        "| permission | meaning | " + " | ".join(f"`{name}`" for name in names) + " | keys |",
        "|---|---|" + ":-:|" * (len(names) + 1),
    ]
    for permission, sentence in PERMISSIONS.items():
        marks = ["●" if permission in ROLES[name] else "" for name in names]
        lines.append(
            f"| `{permission}` | {sentence} | "
            + " | ".join([*marks, "●" if permission in FOR_KEYS else ""])
            + " |"
        )
    return "\n".join(lines) + "\n"

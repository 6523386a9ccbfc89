"""Doors: exercises, and the way into their spaces.

Everything under `/exercise/<id>/` is answered by the house of that exercise, with the same doors; who asks is known by
their session of the real space. The register of exercises is asked and moved in the real space only.
"""

from datetime import timedelta
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from datlanh.app.http.alarm import by, record, words
from datlanh.app.http.door import Ask, Asked, Door, language_of
from datlanh.app.http.errors import problem, trouble_of
from datlanh.kernel import say
from datlanh.model.errors import BadInput, Error, Refused
from datlanh.model.exercise import Act, Inject, Participant
from datlanh.people.permission import ROLES
from datlanh.share import exercise as shapes

if TYPE_CHECKING:
    from datlanh.app.exercise import Space, Spaces

door = Door("/api/v1", "exercises")
SPACES = "/exercise/"
MOST_PARTICIPANTS = 100


async def entered(app: ASGIApp, spaces: "Spaces", scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request for a space; what is not an exercise that runs is told plainly."""
    id, _, rest = scope["path"].removeprefix(SPACES).partition("/")
    inner = dict(scope, path=f"/{rest}", raw_path=f"/{rest}".encode())
    if not rest.startswith(("api/", "ngsi-ld/")):
        # The console itself is the same everywhere; it knows by its address where it is.
        await app(inner, receive, send)
        return
    try:
        space = await spaces.of(id[:40])
    except Error as error:
        answer = problem(trouble_of(error), language_of(Request(scope)))
        await answer(scope, receive, send)
        return

    async def marked(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", [])]  # type: ignore[misc]
            at = space.clock.now().isoformat()
            own = [(b"x-datlanh-exercise", space.id.encode()), (b"x-datlanh-at", at.encode())]
            message = {**message, "headers": [*headers, *own]}
        await send(message)

    await space.app(inner, receive, marked)


def _titles(language: str) -> dict[str, str]:
    return {role: say(f"people.role.{role}", language) for role in ROLES}


def _outside(ask: Ask) -> None:
    if ask.house.settings.exercise:
        raise Refused("exercise.only_outside")


@door.get("/exercises", permission="exercise.read", answers=shapes.ExercisePage)
async def exercises(ask: Asked) -> shapes.ExercisePage:
    """The scenarios of the province, and the exercises with their sheets."""
    _outside(ask)
    register, lead = ask.house.exercises, ask.caller.may("exercise.lead")
    async with ask.house.database.read() as tx:
        found = await register.all(tx)
    people = await ask.house.people.persons() if lead else []
    return shapes.ExercisePage(
        scenarios=[
            shapes.scenario_brief(one, ask.language, _titles(ask.language))
            for one in register.scenarios.values()
        ],
        rows=[shapes.brief(one, register.scenarios.get(one.scenario), ask.language) for one in found],
        people=[
            shapes.ExercisePlayer(person=str(p.id), name=p.name, role="", role_title=p.title)
            for p in people
            if not p.disabled_at
        ],
        may_lead=lead,
    )


@door.post("/exercises", permission="exercise.lead", answers=shapes.ExerciseDetail, status=201)
async def make(ask: Asked, new: shapes.NewExercise) -> shapes.ExerciseDetail:
    """Make an exercise; its space is made by a worker, then it waits to be run."""
    _outside(ask)
    if not 1 <= len(new.participants) <= MOST_PARTICIPANTS:
        raise BadInput("exercise.nobody", most=MOST_PARTICIPANTS)
    known = {str(p.id): p for p in await ask.house.people.persons() if not p.disabled_at}
    invited = []
    for one in new.participants:
        if one.person not in known:
            raise BadInput("exercise.person_unknown", person=one.person[:40])
        if one.role and one.role not in ROLES:
            raise BadInput("exercise.role_unknown", role=one.role[:40])
        who = known[one.person]
        invited.append(Participant(person=one.person, account=who.account, name=who.name, role=one.role))
    async with ask.house.database.transaction() as tx:
        made = await ask.house.exercises.make(
            tx,
            scenario=new.scenario,
            participants=invited,
            speed=new.speed,
            by=by(ask),
            key=_key(ask),
        )
        await record(ask, tx, "exercise.made", f"exercise:{made.code}", {"scenario": new.scenario})
    return await _detail(ask, made.id)


def _key(ask: Ask) -> str:
    key = ask.idempotency_key
    if key is None:
        raise BadInput("exercise.key_needed")
    return f"{ask.person.actor} {key}"


@door.get("/exercises/{id}", permission="exercise.read", answers=shapes.ExerciseDetail)
async def one(ask: Asked, id: str) -> shapes.ExerciseDetail:
    """An exercise: how far it is, who takes part, what was said, and its sheet."""
    _outside(ask)
    return await _detail(ask, id)


async def _detail(ask: Ask, id: str) -> shapes.ExerciseDetail:
    register, language = ask.house.exercises, ask.language
    async with ask.house.database.read() as tx:
        found = await register.one(tx, id)
        lines = await register.lines(tx, id)
        others = await register.all(tx)
    scenario = register.scenario(found.scenario)
    titles = _titles(language)
    return shapes.ExerciseDetail(
        exercise=shapes.brief(found, scenario, language),
        scenario=shapes.scenario_brief(scenario, language, titles),
        participants=shapes.players(found, titles),
        messages=shapes.messages(found, scenario, language),
        moves=shapes.moves(lines),
        before=[
            shapes.brief(other, scenario, language)
            for other in others
            if other.scenario == found.scenario and other.id != found.id and other.sheet is not None
        ],
        may_lead=ask.caller.may("exercise.lead"),
    )


@door.post("/exercises/{id}/move", permission="exercise.lead", answers=shapes.ExerciseDetail)
async def move(ask: Asked, id: str, wish: shapes.MoveExercise) -> shapes.ExerciseDetail:
    """Run, pause, change the speed, jump, end, clear away."""
    _outside(ask)
    if wish.to is not None and wish.to.tzinfo is None:
        raise BadInput("exercise.jump_where")
    async with ask.house.database.transaction() as tx:
        moved = await ask.house.exercises.move(
            tx,
            id,
            wish.act,
            by=by(ask),
            key=_key(ask),
            version=wish.version,
            speed=wish.speed,
            to=wish.to,
            why=words(wish.why, "why", needed=False),
        )
        await record(ask, tx, f"exercise.{wish.act}", f"exercise:{moved.code}", {"why": wish.why})
    return await _detail(ask, id)


@door.post("/exercises/{id}/injects", permission="exercise.lead", answers=shapes.ExerciseDetail)
async def inject(ask: Asked, id: str, body: shapes.InjectBody) -> shapes.ExerciseDetail:
    """Bring something in: a reading, a call, a message. It is played at once."""
    _outside(ask)
    text = words(body.text, "text", needed=False)
    act = Act(
        at=timedelta(0),
        kind=body.kind,
        id="",
        station=body.station,
        values=body.values,
        event=body.event,
        place=body.place,
        area=body.area,
        text={"vi": text, "en": text} if text else {},
        to_role=body.to_role,
    )
    async with ask.house.database.transaction() as tx:
        now = (await ask.house.exercises.one(tx, id)).at
        moved = await ask.house.exercises.inject(tx, id, Inject(at=now, by=by(ask), act=act), key=_key(ask))
        await record(ask, tx, "exercise.inject", f"exercise:{moved.code}", {"kind": body.kind.value})
    return await _detail(ask, id)


@door.hot("GET", "/exercises/{id}/files/{name}", permission="exercise.read")
async def file(ask: Ask) -> Response:
    """The sheet (`sheet.json`) or the whole log (`log.jsonl`) of an exercise that has ended."""
    _outside(ask)
    given = ask.request.path_params
    async with ask.house.database.read() as tx:
        found = await ask.house.exercises.one(tx, given["id"])
        kind, body = await ask.house.exercises.file(tx, found.id, given["name"])
    name = f"{found.code}-{given['name']}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(body, 200, headers, kind)


@door.get("/space", permission="overview.read", answers=shapes.ExerciseBanner)
async def space(ask: Asked) -> shapes.ExerciseBanner | Response:
    """Which space this is: an exercise, or (204) the real one."""
    here: Space | None = getattr(ask.request.app.state, "space", None)
    if here is None or here.exercise is None:
        return Response(status_code=204, headers={"Cache-Control": "no-store"})
    exercise, register = here.exercise, ask.house.exercises
    mine = next((p.role for p in exercise.participants if p.person == ask.caller.id), "")
    said = shapes.messages(exercise, register.scenario(exercise.scenario), ask.language)
    titles = _titles(ask.language)
    return shapes.ExerciseBanner(
        id=exercise.id,
        code=exercise.code,
        title=exercise.title.get(ask.language) or exercise.title["vi"],
        state=exercise.state.value,
        speed=exercise.speed,
        space_at=exercise.at,
        mine=titles.get(mine, ""),
        message=said[0] if said else None,
    )

"""Doors: signing in and out, and who is signed in."""

from importlib.metadata import PackageNotFoundError, version

from starlette.requests import Request
from starlette.responses import Response

from datlanh.app.http.door import PUBLIC, SESSION_COOKIE, Ask, Asked, Door, json_answer
from datlanh.app.http.shapes import SignIn
from datlanh.model.errors import BadInput, NotSignedIn
from datlanh.model.person import Caller
from datlanh.share import shapes

door = Door("/api/v1", "session")


def _version() -> str:
    try:
        return version("datlanh")
    except PackageNotFoundError:
        return "0"


VERSION = _version()


async def _session(ask: Ask, caller: Caller) -> shapes.Session:
    return shapes.Session(
        person=shapes.PersonBrief(
            id=caller.id,
            name=caller.name,
            title=caller.title,
            language=caller.language,
            roles=list(caller.roles),
            unit=caller.unit,
        ),
        permissions=sorted(caller.permissions),
        csrf=caller.csrf or "",
        province=await ask.house.share.province(ask.language),
        version=VERSION,
    )


def _secure(request: Request) -> bool:
    return request.url.scheme == "https" or request.app.state.house.settings.public_url.startswith("https://")


@door.post("/session", permission=PUBLIC, answers=shapes.Session, command=False)
async def sign_in(ask: Asked, sign: SignIn) -> Response:
    """Sign in; the session is in a cookie that no script can read."""
    if not sign.name or len(sign.name) > 200 or len(sign.password) > 1000:
        raise BadInput("http.sign_in_incomplete")
    client = ask.request.client
    signed = await ask.house.people.sign_in(
        sign.name,
        sign.password,
        address=client.host if client else "",
        agent=ask.request.headers.get("user-agent", "")[:200],
    )
    answer = json_answer(await _session(ask, signed.caller))
    answer.set_cookie(
        SESSION_COOKIE,
        signed.token,
        max_age=int((signed.expires_at - ask.house.clock.now()).total_seconds()),
        httponly=True,
        samesite="lax",
        secure=_secure(ask.request),
        path="/",
    )
    return answer


@door.get("/session", permission=PUBLIC, answers=shapes.Session)
async def who_am_i(ask: Asked, if_any: bool = False) -> shapes.Session | Response:
    """Who is signed in; when nobody is, 401, or with `if_any` an empty 204."""
    if ask.known is None or ask.known.kind != "person":
        if if_any:
            return Response(status_code=204, headers={"Cache-Control": "no-store"})
        raise NotSignedIn("http.sign_in_first")
    return await _session(ask, ask.known)


@door.delete("/session", permission=PUBLIC)
async def sign_out(ask: Asked) -> Response:
    """Sign out; harmless when nobody is signed in."""
    token = ask.request.cookies.get(SESSION_COOKIE, "")
    if token and ask.known is not None:
        await ask.house.people.sign_out(token)
    answer = Response(status_code=204, headers={"Cache-Control": "no-store", "Clear-Site-Data": '"cache"'})
    answer.delete_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="lax", secure=_secure(ask.request))
    return answer

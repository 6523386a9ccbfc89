"""NGSI-LD routes: batch upsert, retrieve, query.

What the standard has beyond these is not there yet; unknown parameters and options are refused rather than
passed over, so that nobody believes they were heeded.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode
from weakref import WeakKeyDictionary

import msgspec
from starlette.responses import Response

from datlanh.app.http.door import Ask, Door, read_body
from datlanh.app.http.ngsild import geo, q
from datlanh.app.http.ngsild.form import Form, document
from datlanh.app.http.ngsild.problem import NgsiError
from datlanh.app.http.ngsild.problem import document as problem_document
from datlanh.app.http.ngsild.write import Writer, Written
from datlanh.collect.ngsild import CORE, ContextUnknown, Names, full, uri
from datlanh.keep import EntityQuestion
from datlanh.model.errors import BadInput, NotAllowed

door = Door("/ngsi-ld/v1", "ngsi-ld")

BODY_LIMIT = 32 * 2**20
MOST = 1000
USUAL = 20
MOST_OFFSET = 1_000_000
MOST_IDS = 1000
_LINK = re.compile(
    r'<([^<>"\s]{1,1000})>\s*;\s*rel="http://www\.w3\.org/ns/json-ld#context"\s*(?:;\s*type="application/ld\+json"\s*)?\Z'
)
_FORMS: Mapping[str, Form] = {
    "normalized": "normalized",
    "concise": "concise",
    "simplified": "simplified",
    "keyValues": "simplified",
}
_SHAPE = frozenset(("attrs", "options", "format", "local", "lang"))
_GEO = frozenset(("georel", "geometry", "coordinates", "geoproperty"))
_QUERY = _SHAPE | _GEO | {"id", "type", "idPattern", "q", "limit", "offset", "count"}
_writers: "WeakKeyDictionary[object, Writer]" = WeakKeyDictionary()


# --- manners ----------------------------------------------------------------------------------------------


def _link_context(ask: Ask) -> str | None:
    """The context of the Link header."""
    for header in ask.request.headers.getlist("link"):
        found = _LINK.match(header.strip())
        if found is not None:
            return found[1]
        if "json-ld#context" in header:
            raise NgsiError("BadRequestData", "http.ngsild_link_unreadable")
    return None


def _names(context: Any) -> Names:
    try:
        return Names(context)
    except ContextUnknown as error:
        raise NgsiError("LdContextNotAvailable", error.key, **error.params) from None


def _accepts(ask: Ask) -> bool:
    """Whether the answer is to be `application/ld+json`; refuses what we cannot write."""
    header = ask.request.headers.get("accept", "").strip()
    if not header:
        return False
    best: tuple[float, bool] | None = None
    for part in header[:1000].split(","):
        kind, *params = [piece.strip().lower() for piece in part.split(";")]
        weight = 1.0
        for param in params:
            if param.startswith("q="):
                try:
                    weight = float(param[2:])
                except ValueError:
                    weight = 0.0
        plain = kind in ("*/*", "application/*", "application/json")
        if weight > 0 and (plain or kind == "application/ld+json"):
            choice = (weight, not plain)
            if best is None or weight > best[0] or (weight == best[0] and plain):
                best = choice
    if best is None:
        raise NotAcceptable()
    return best[1]


class NotAcceptable(BadInput):
    """None of the representations asked for can be written."""

    def __init__(self) -> None:
        super().__init__("http.not_acceptable")


def _known(ask: Ask, allowed: frozenset[str]) -> dict[str, str]:
    params: dict[str, str] = {}
    for name, value in ask.request.query_params.multi_items():
        if name not in allowed:
            raise NgsiError("InvalidRequest", "http.ngsild_unknown_parameter", name=name[:80])
        if name in params:
            raise NgsiError("BadRequestData", "http.ngsild_parameter_twice", name=name)
        params[name] = value
    return params


def _options(params: Mapping[str, str]) -> tuple[Form, bool]:
    form: Form = "normalized"
    sys_attrs = False
    for option in [o for o in params.get("options", "").split(",") if o]:
        if option == "sysAttrs":
            sys_attrs = True
        elif option in _FORMS:
            form = _FORMS[option]
        else:
            raise NgsiError("InvalidRequest", "http.ngsild_unknown_option", option=option[:80])
    if "format" in params:
        if params["format"] not in _FORMS:
            raise NgsiError("InvalidRequest", "http.ngsild_unknown_option", option=params["format"][:80])
        form = _FORMS[params["format"]]
    return form, sys_attrs


def _everywhere(ask: Ask, permission: str) -> None:
    """Entities are given out without regard to areas: only to those who may see all of them."""
    if not any(scope.everywhere for scope in ask.caller.reach(permission)):
        raise NotAllowed("http.ngsild_only_everywhere")


def _answer(body: Any, ld: bool, context: str | None, headers: Mapping[str, str] | None = None) -> Response:
    given = {"Cache-Control": "no-store", **(headers or {})}
    if not ld:
        link = f'<{context or CORE}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
        given["Link"] = f"{given['Link']}, {link}" if "Link" in given else link
    kind = "application/ld+json" if ld else "application/json"
    return Response(msgspec.json.encode(body), 200, given, kind)


# --- reading ----------------------------------------------------------------------------------------------


async def _retrieve(ask: Ask) -> Response:
    """One entity by its id (clause 5.7.1)."""
    _everywhere(ask, "ngsild.read")
    ld = _accepts(ask)
    params = _known(ask, _SHAPE)
    context = _link_context(ask)
    names = _names(context)
    form, sys_attrs = _options(params)
    id = uri(ask.request.path_params["id"], "id")
    only = [names.ours(name) for name in params.get("attrs", "").split(",") if name]
    entity = await ask.house.keep.entity(id)
    if entity is None or (only and not _has(entity_attributes(entity), only)):
        raise NgsiError("ResourceNotFound", "http.ngsild_no_such_entity", id=id)
    said = document(entity, names, form, only=only, sys_attrs=sys_attrs, ld=ld, context=context or CORE)
    return _answer(said, ld, context)


def entity_attributes(entity: Any) -> set[str]:
    """The names of all attributes of an entity."""
    facts = {name for name, fact in entity.facts.items() if fact is not None}
    return facts | {value.key.attribute for value in entity.values}


def _has(there: set[str], only: Sequence[str]) -> bool:
    return any(name in there for name in only)


def question(params: Mapping[str, str], names: Names) -> EntityQuestion:
    """The question that the parameters of a query ask."""
    ids = [uri(id, "id") for id in params.get("id", "").split(",") if id]
    types = _types(params.get("type", ""), names)
    attrs = [names.ours(name) for name in params.get("attrs", "").split(",") if name]
    where = q.parse(params["q"], names.ours) if params.get("q") else None
    shape = geo.parse(params)
    if not (types or attrs or where or shape) and params.get("local") != "true":
        raise NgsiError("BadRequestData", "http.ngsild_too_wide")
    if len(ids) > MOST_IDS:
        raise NgsiError("TooComplexQuery", "http.ngsild_too_many_ids", most=MOST_IDS)
    limit = _whole(params, "limit", USUAL, MOST)
    if limit == 0 and params.get("count") != "true":
        raise NgsiError("BadRequestData", "http.ngsild_limit_zero")
    return EntityQuestion(
        ids=ids,
        id_pattern=q.pattern(params["idPattern"]) if params.get("idPattern") else None,
        types=types,
        attributes=attrs,
        where=where,
        geo=shape,
        limit=limit,
        offset=_whole(params, "offset", 0, MOST_OFFSET),
        only=attrs,
    )


def _types(text: str, names: Names) -> list[str]:
    if not text:
        return []
    if any(sign in text for sign in ";()*"):
        raise NgsiError("OperationNotSupported", "http.ngsild_type_selection")
    return [names.ours(name) for name in re.split(r"[,|]", text) if name]


def _whole(params: Mapping[str, str], name: str, usual: int, most: int) -> int:
    text = params.get(name)
    if text is None:
        return usual
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise NgsiError("BadRequestData", "http.ngsild_not_a_number", name=name)
    number = int(text)
    if number > most:
        raise NgsiError("TooManyResults", "http.ngsild_number_too_high", name=name, most=most)
    return number


async def _query(ask: Ask) -> Response:
    """Entities by type, id, attributes, `q` and place (clause 5.7.2)."""
    _everywhere(ask, "ngsild.read")
    ld = _accepts(ask)
    params = _known(ask, _QUERY)
    context = _link_context(ask)
    names = _names(context)
    form, sys_attrs = _options(params)
    asked = question(params, names)
    limit = asked.limit or 0
    headers: dict[str, str] = {}
    keep = ask.house.keep
    async with ask.house.database.read() as tx:
        if params.get("count") == "true":
            headers["NGSILD-Results-Count"] = str(await keep.count_entities(asked, tx))
        # One more than asked for tells whether there is a next page.
        found = await keep.entities(replace(asked, limit=limit + 1), tx) if limit else []
    links = []
    kind = "application/ld+json" if ld else "application/json"
    if len(found) > limit:
        links.append(_page(ask, params, asked.offset + limit, limit, "next", kind))
    if asked.offset and limit:
        links.append(_page(ask, params, max(0, asked.offset - limit), limit, "prev", kind))
    if links:
        headers["Link"] = ", ".join(links)
    said = [
        document(e, names, form, only=asked.only, sys_attrs=sys_attrs, ld=ld, context=context or CORE)
        for e in found[:limit]
    ]
    return _answer(said, ld, context, headers)


def _page(ask: Ask, params: Mapping[str, str], offset: int, limit: int, rel: str, kind: str) -> str:
    wanted = {**params, "offset": str(offset), "limit": str(limit)}
    return f'<{ask.request.url.path}?{urlencode(wanted, quote_via=quote)}>; rel="{rel}"; type="{kind}"'


# --- writing ----------------------------------------------------------------------------------------------


def _writer(ask: Ask) -> Writer:
    # One a house: what arrives at about the same time shares one transaction.
    found = _writers.get(ask.request.app)
    if found is None:
        found = _writers[ask.request.app] = Writer(ask.house)
    return found


async def _upsert(ask: Ask) -> Response:
    """Create or change many entities (clause 5.6.8); answered after they are applied."""
    _everywhere(ask, "ngsild.write")
    params = _known(ask, frozenset(("options", "local")))
    options = {option for option in params.get("options", "").split(",") if option}
    if options - {"replace", "update"} or len(options) > 1:
        raise NgsiError("InvalidRequest", "http.ngsild_unknown_option", option=params["options"][:80])
    kind = ask.request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind not in ("application/json", "application/ld+json"):
        raise UnsupportedType()
    context = _link_context(ask)
    if kind == "application/ld+json" and context is not None:
        raise NgsiError("BadRequestData", "http.ngsild_link_with_ld")
    _names(context)
    body = await read_body(ask, BODY_LIMIT)
    if kind == "application/json" and b'"@context"' in body:
        _no_context_inside(body)
    written = await _writer(ask).upsert(
        body,
        context,
        replace="update" not in options,
        actor=ask.caller.actor,
        key=ask.idempotency_key,
    )
    return _result(ask, written)


def _no_context_inside(body: bytes) -> None:
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return  # the writer says what is wrong with it
    if isinstance(said, list) and any(isinstance(one, dict) and "@context" in one for one in said):
        raise NgsiError("BadRequestData", "http.ngsild_context_in_json")


class UnsupportedType(BadInput):
    """A body of a type that is not taken here."""

    def __init__(self) -> None:
        super().__init__("http.unknown_content_type")


def _result(ask: Ask, written: Written) -> Response:
    if written.refused:
        body = {
            "success": written.created + written.updated,
            "errors": [
                {"entityId": id or None, "error": _problem(error, ask.language)}
                for id, error in written.refused
            ],
        }
        return Response(msgspec.json.encode(body), 207, {"Cache-Control": "no-store"}, "application/json")
    if written.created:
        return Response(
            msgspec.json.encode(written.created), 201, {"Cache-Control": "no-store"}, "application/json"
        )
    return Response(status_code=204)


def _problem(error: Any, language: str) -> dict[str, Any]:
    if isinstance(error, ContextUnknown):
        error = NgsiError("LdContextNotAvailable", error.key, **error.params)
    said = problem_document(error, language)
    if "where" in error.params:
        said["attribute"] = full(str(error.params["where"]))
    return said


for _path in ("/entities", "/entities/"):
    door.hot("GET", _path, permission="ngsild.read")(_query)
for _path in ("/entities/{id}", "/entities/{id}/"):
    door.hot("GET", _path, permission="ngsild.read")(_retrieve)
for _path in ("/entityOperations/upsert", "/entityOperations/upsert/"):
    door.hot("POST", _path, permission="ngsild.write")(_upsert)

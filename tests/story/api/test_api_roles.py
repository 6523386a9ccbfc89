"""Every role against every route: what is not granted is refused by name, and nothing ever breaks."""

import re
from typing import Any

from datlanh.app.http.door import PUBLIC
from datlanh.app.http.server import ways
from datlanh.people.permission import ROLES

ODD = {
    "entity": "'; DROP TABLE x--",
    "attribute": "\ufffd",
    "of": "%00",
    "source": "../../x",
    "subject": "x" * 300,
}


async def test_each_role_opens_its_own_doors_and_no_others(served: Any) -> None:
    routes = [w for w in ways() if w.permission != PUBLIC and not w.path.endswith(("/live", "/"))]
    assert len(routes) > 40
    nobody = served.client()
    for way in routes:
        answer = await nobody.request(way.method, re.sub(r"\{[^}]*\}", "1", way.path))
        assert answer.status_code == 401, way.path
    for role in served.accounts:
        client = await served.signed_in(role)
        for way in routes:
            path = re.sub(r"\{[^}]*\}", "1", way.path)
            answer = await client.request(
                way.method, path, **({"json": {}} if way.method != "GET" else {"params": ODD})
            )
            where = (role, way.method, way.path, answer.status_code, answer.text[:300])
            assert answer.status_code < 500, where
            refused = answer.status_code == 403 and "permission" in answer.text
            if way.permission not in ROLES[role]:
                assert refused or answer.status_code == 403, where
            elif not way.path.startswith("/ngsi-ld"):
                assert "http.permission_missing" not in answer.text, where
            assert "Traceback" not in answer.text
            assert "psycopg" not in answer.text

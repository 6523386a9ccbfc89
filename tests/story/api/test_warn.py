"""A warning to the public takes two persons; alerts of others warn nobody by themselves."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from lxml import etree

from datlanh.model.notice import Gateway, PublicTarget, WarnDeclaration, WarnSender, Way
from datlanh.share.cap import CapAlert, CapArea, CapInfo, Signer, certificate_of, verified, write
from datlanh.share.warn import Office

HOUR = timedelta(hours=1)


def the_words(served: Any, **more: Any) -> dict[str, Any]:
    """A whole warning."""
    now = served.clock.now()
    return {
        "event": {"vi": "Ngập lụt", "en": "Flood"},
        "headline": {"vi": "Triều cường vượt báo động III", "en": "Tide above alarm level III"},
        "description": {"vi": "Ngập 30 cm ven sông.", "en": "30 cm of water by the river."},
        "instruction": {"vi": "Không đi vào đường ngập.", "en": "Do not enter flooded roads."},
        "category": "Met",
        "severity": "Severe",
        "areas": ["25747"],
        "polygons": [[[106.6, 10.9], [106.7, 10.9], [106.7, 11.0]]],
        "expires": (now + 12 * HOUR).isoformat(),
        "stage": 4,
        "hazard": "flood",
        "risk_level": 2,
        **more,
    }


async def drafted(served: Any, client: httpx2.AsyncClient, **more: Any) -> dict[str, Any]:
    """A draft."""
    body = {"words": the_words(served, **more.pop("words", {})), **more}
    answer = await client.post("/api/v1/warnings", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def step(client: httpx2.AsyncClient, page: dict[str, Any], what: str, **more: Any) -> httpx2.Response:
    """A step of a warning."""
    row = page["row"]
    return await client.post(f"/api/v1/warnings/{row['id']}/{what}", json={"version": row["version"], **more})


async def published(served: Any, **more: Any) -> dict[str, Any]:
    """A warning that the public has."""
    duty, chair = await served.signed_in("duty_officer"), await served.signed_in("chair")
    page = await drafted(served, duty, **more)
    asked = await step(duty, page, "ask")
    assert asked.status_code == 200, asked.text
    done = await step(chair, asked.json(), "confirm")
    assert done.status_code == 200, done.text
    await served.settle()
    return done.json()  # type: ignore[no-any-return]


async def test_a_warning_needs_a_second_person(served: Any) -> None:
    lead, chair = await served.signed_in("ioc_director"), await served.signed_in("chair")
    page = await drafted(served, lead)
    early = await step(chair, page, "confirm")
    assert early.json()["key"] == "warn.other_state"
    asked = (await step(lead, page, "ask")).json()
    own = await step(lead, asked, "confirm")
    assert own.json()["key"] == "warn.two_persons"
    async with served.house.database.read() as tx:
        assert await tx.value("SELECT count(*) FROM share.cap_out") == 0
    await served.settle()
    await served.house.notices.work_due()
    assert page["row"]["code"] in (await chair.get("/api/v1/notices")).json()["rows"][0]["text"]
    back = await step(chair, asked, "back", why="Thiếu tên đường")
    assert back.json()["row"]["state"] == "draft" and back.json()["why"] == "Thiếu tên đường"


async def test_what_is_published_is_signed_and_in_the_feed(served: Any) -> None:
    page = await published(served)
    public = served.client()
    feed = await public.get("/api/v1/public/warnings.atom?lang=vi")
    assert feed.headers["content-type"].startswith("application/atom+xml")
    root = etree.fromstring(feed.content)
    (entry,) = root.findall("{http://www.w3.org/2005/Atom}entry")
    assert entry.findtext("{http://www.w3.org/2005/Atom}title") == "Triều cường vượt báo động III"
    rss = etree.fromstring((await public.get("/api/v1/public/warnings.rss?lang=en")).content)
    assert rss.findtext("channel/item/title") == "Tide above alarm level III"

    signed = await public.get(page["link"])
    pem = (await public.get("/api/v1/public/warnings/certificate.pem")).text
    alert = verified(signed.content, certificate_of(pem), served.clock.now())
    assert [info.language for info in alert.infos] == ["vi-VN", "en"]
    assert alert.msg_type == "Alert" and alert.sender == served.house.office.declared.sender
    assert alert.identifier == f"datlanh-{page['row']['code']}"
    codes = [area.geocodes for area in alert.infos[0].areas]
    assert ("GSO", "25747") in codes[0]
    assert alert.infos[0].areas[0].polygons == ()  # schematic borders are not told to others
    assert alert.infos[0].areas[1].polygons[0][0] == (10.9, 106.6)
    assert ("datlanh:risk-level", "2 (18/2021/QĐ-TTg)") in alert.infos[0].parameters
    async with served.house.database.read() as tx:
        assert await served.house.operate.verify_log(tx) == []


async def test_an_update_and_a_cancellation_refer_to_what_they_follow(served: Any) -> None:
    first = await published(served)
    served.clock.advance(HOUR)
    second = await published(served, kind="update", follows=first["row"]["id"])
    served.clock.advance(HOUR)
    third = await published(served, kind="cancel", follows=second["row"]["id"])
    pem = served.house.office.signer.certificate
    client = served.client()
    alerts = [
        verified((await client.get(page["link"])).content, pem, served.clock.now())
        for page in (first, second, third)
    ]
    assert [alert.msg_type for alert in alerts] == ["Alert", "Update", "Cancel"]
    names = [f"{a.sender},{a.identifier},{a.sent.isoformat()}" for a in alerts]
    assert [len(alert.references) for alert in alerts] == [0, 1, 2]
    same = [[_instant(one) for one in alert.references] for alert in alerts]
    assert same[1] == [_instant(names[0])]
    assert same[2] == [_instant(names[0]), _instant(names[1])]
    duty = await served.signed_in("duty_officer")
    states = [
        (await duty.get(f"/api/v1/warnings/{p['row']['id']}")).json()["row"]["state"] for p in (first, second)
    ]
    assert states == ["replaced", "cancelled"]


def _instant(reference: str) -> tuple[str, str, float]:
    from datetime import datetime

    sender, identifier, sent = reference.split(",")
    return sender, identifier, datetime.fromisoformat(sent).timestamp()


async def test_a_published_warning_ends_at_its_time(served: Any) -> None:
    page = await published(served)
    served.clock.advance(13 * HOUR)
    assert await served.house.warnings.work_due() == 1
    assert await served.house.warnings.work_due() == 0
    duty = await served.signed_in("duty_officer")
    assert (await duty.get(f"/api/v1/warnings/{page['row']['id']}")).json()["row"]["state"] == "expired"


@pytest.mark.parametrize(
    ("words", "key"),
    [
        ({"severity": "Bad"}, "warn.no_such_word"),
        ({"polygons": [[[106, 10], [107, 10]]]}, "warn.ring_too_short"),
        ({"polygons": [[[190, 10], [107, 10], [107, 11]]]}, "warn.not_on_earth"),
        ({"headline": {"vi": "x" * 161}}, "warn.too_long"),
        ({"headline": {"fr": "x"}}, "warn.no_such_language"),
        (
            {"event": {"vi": "\ud83d".encode("utf-16", "surrogatepass").decode("utf-16", "ignore") + "\x01"}},
            "warn.not_storable",
        ),
    ],
)
async def test_words_that_cannot_be_sent_are_refused(served: Any, words: dict[str, Any], key: str) -> None:
    duty = await served.signed_in("duty_officer")
    answer = await duty.post("/api/v1/warnings", json={"words": the_words(served, **words)})
    assert answer.json()["key"] == key


async def test_an_unfinished_draft_says_what_it_lacks(served: Any) -> None:
    duty = await served.signed_in("duty_officer")
    lacking = {"headline": {"vi": "Ngập"}, "areas": [], "polygons": [], "expires": None}
    page = await drafted(served, duty, words=lacking)
    assert len(page["missing"]) == 3
    answer = await step(duty, page, "ask")
    assert answer.json()["key"] == "warn.incomplete"


# -- from outside -------------------------------------------------------------------------------------------


@pytest.fixture
def outside(tmp_path: Path, served: Any) -> Signer:
    """Another centre whose alerts we take in."""
    signer = Signer(tmp_path / "other", "Đài khí tượng", served.clock.now())
    office: Office = served.house.office
    office.declared = replace(
        office.declared,
        senders={
            "kttv@example.org": WarnSender(
                sender="kttv@example.org", name="Đài khí tượng", certificate=signer.pem
            )
        },
    )
    return signer


def an_alert(served: Any, **more: Any) -> CapAlert:
    """An alert of somebody else."""
    now = served.clock.now().replace(microsecond=0)
    info = CapInfo(
        language="vi-VN",
        categories=("Met",),
        event="Mưa lớn",
        urgency="Expected",
        severity="Severe",
        certainty="Likely",
        expires=now + 6 * HOUR,
        headline="Mưa lớn diện rộng",
        description="Trên 100 mm.",
        areas=(CapArea(desc="Thủ Dầu Một", circles=(((10.98, 106.65), 5.0),), geocodes=(("GSO", "25747"),)),),
    )
    said = {"identifier": "A-1", "sender": "kttv@example.org", "sent": now, "infos": (info,)}
    return CapAlert(**{**said, **more})


async def push(served: Any, body: bytes) -> httpx2.Response:
    """Bring an alert by a program's key."""
    if not hasattr(served, "_key"):
        from datlanh.model.person import system

        served._key = await served.house.people.issue_key(
            name="cap", permissions=["cap.push"], by=system("test")
        )
    client = served.client(headers={"authorization": f"Bearer {served._key.whole}"})
    answer: httpx2.Response = await client.post(
        "/api/v1/cap", content=body, headers={"content-type": "application/cap+xml"}
    )
    return answer


async def test_an_alert_that_comes_in_is_a_draft_at_most_and_counts_once(
    served: Any, outside: Signer
) -> None:
    body = outside.sign(write(an_alert(served)))
    taken = await push(served, body)
    assert taken.status_code == 201 and taken.json()["verdict"] == "taken", taken.text
    again = await push(served, body)
    assert again.status_code == 409 and again.json()["key"] == "cap.replay"
    await served.settle()
    await served.house.notices.work_due()
    duty = await served.signed_in("duty_officer")
    (row,) = (await duty.get("/api/v1/warnings")).json()["rows"]
    assert row["state"] == "draft" and row["drafted_by"] is None and row["headline"] == "Mưa lớn diện rộng"
    page = (await duty.get(f"/api/v1/warnings/{row['id']}")).json()
    assert page["words"]["areas"] == ["25747"] and len(page["words"]["polygons"][0]) >= 32
    assert page["missing"]  # no English: a person has to write it
    assert "Mưa lớn" in (await duty.get("/api/v1/notices")).json()["rows"][0]["text"]
    async with served.house.database.read() as tx:
        assert await tx.value("SELECT count(*) FROM share.cap_out") == 0
    verdicts = [r["verdict"] for r in (await duty.get("/api/v1/cap/received")).json()["rows"]]
    assert verdicts == ["refused", "taken"]


async def test_what_is_refused_from_outside(served: Any, outside: Signer, tmp_path: Path) -> None:
    now = served.clock.now().replace(microsecond=0)
    stranger = Signer(tmp_path / "stranger", "x", now)
    over = replace(an_alert(served).infos[0], expires=now - HOUR)
    tries = {
        "cap.sender_unknown": outside.sign(write(an_alert(served, sender="evil@example.org"))),
        "cap.signature_wrong": stranger.sign(write(an_alert(served))),
        "cap.not_signed": etree.tostring(write(an_alert(served))),
        "cap.expired": outside.sign(write(an_alert(served, infos=(over,)))),
        "cap.of_the_future": outside.sign(write(an_alert(served, sent=now + HOUR))),
        "cap.dtd": b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>",
        "cap.not_xml": b"hello",
    }
    for key, body in tries.items():
        answer = await push(served, body)
        assert answer.json()["key"] == key, answer.text
        assert answer.status_code >= 400
    huge = await push(served, b"<a>" + b"x" * 700_000)
    assert huge.status_code in (400, 413)
    duty = await served.signed_in("duty_officer")
    assert (await duty.get("/api/v1/warnings")).json()["rows"] == []
    seen = (await duty.get("/api/v1/cap/received")).json()["rows"]
    assert {row["why"] for row in seen} >= set(tries)
    denied = await (await served.signed_in("duty_officer")).post("/api/v1/cap", content=b"x")
    assert denied.status_code == 403


async def test_exercises_of_others_are_kept_and_warn_nobody(served: Any, outside: Signer) -> None:
    answer = await push(served, outside.sign(write(an_alert(served, status="Exercise"))))
    assert answer.json()["verdict"] == "kept" and answer.json()["warning"] is None


async def test_a_cancellation_of_others_takes_the_draft_away(served: Any, outside: Signer) -> None:
    alert = an_alert(served)
    await push(served, outside.sign(write(alert)))
    reference = f"{alert.sender},{alert.identifier},{alert.sent.isoformat()}"
    served.clock.advance(HOUR)
    cancel = an_alert(served, identifier="A-2", msg_type="Cancel", references=(reference,))
    assert (await push(served, outside.sign(write(cancel)))).status_code == 201
    duty = await served.signed_in("duty_officer")
    assert [row["state"] for row in (await duty.get("/api/v1/warnings")).json()["rows"]] == ["dropped"]


async def test_those_who_are_told_of_warnings_are_in_the_ledger(served: Any, receiver: Any) -> None:
    """A loudspeaker line and a text message through gateways, as recorded."""
    gateway = Gateway(
        way=Way.SMS,
        url=f"{receiver.url}/sms",
        body={"Phone": "{to}", "Content": "{text}", "Id": "{id}"},
        ok_at="CodeResult",
        ok_is="100",
        longest=160,
    )
    speaker = Gateway(way=Way.LOUDSPEAKER, url=f"{receiver.url}/loa", body={"zone": "{to}", "say": "{text}"})
    office: Office = served.house.office
    office.declared = WarnDeclaration(
        sender=office.declared.sender,
        sender_name=office.declared.sender_name,
        gateways={Way.SMS: gateway, Way.LOUDSPEAKER: speaker},
        targets=(
            PublicTarget(
                id="here", way=Way.LOUDSPEAKER, address="loa-25747", title={"vi": "Loa"}, areas=("25747",)
            ),
            PublicTarget(
                id="there", way=Way.LOUDSPEAKER, address="loa-25942", title={"vi": "Loa"}, areas=("25942",)
            ),
            PublicTarget(id="list", way=Way.SMS, address="0900000000", title={"vi": "SMS"}, language="en"),
        ),
    )
    served.house.notices.sender._gateways = office.declared.gateways
    receiver.answers["/sms"] = (200, b'{"CodeResult":"100"}')
    await published(served)
    while await served.house.notices.work_due():
        pass
    said = {asked.path: asked.json() for asked in receiver.asked}
    assert said["/loa"]["zone"] == "loa-25747" and "Không đi vào đường ngập" in said["/loa"]["say"]
    assert "WARNING: Tide above" in said["/sms"]["Content"] and len(said["/sms"]["Content"]) <= 160
    director = await served.signed_in("ioc_director")
    rows = [row for row in (await director.get("/api/v1/ledger")).json()["rows"] if row["person"] is None]
    assert sorted(row["way"] for row in rows) == ["loudspeaker", "sms"]
    assert all(row["state"] == "sent" and len(row["tries"]) == 1 for row in rows)

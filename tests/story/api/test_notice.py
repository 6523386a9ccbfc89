"""Telling people: the inbox, every way out to a real receiver, quiet hours, storms, and the ledger."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from typing import Any

import http_ece
import pytest
from aiosmtpd.handlers import Message as MessageHandler
from aiosmtpd.smtp import SMTP
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from datlanh.model.messages.notice import NoticeWanted
from datlanh.model.notice import Way
from datlanh.share.notice import Notices, plan
from datlanh.share.notice.send import Failed, Letter, Sender, signature

MIN = timedelta(minutes=1)


def a_notice(served: Any, id: str = "n1", **more: Any) -> NoticeWanted:
    """Something that the duty officer should know."""
    said = {
        "id": id,
        "kind": "stage_changed",
        "to_role": "duty_officer",
        "about": "b",
        "href": "/stages/flood",
        "urgency": 2,
        "at": served.clock.now(),
        "params": {
            "hazard_vi": "Ngập lụt",
            "hazard_en": "Flood",
            "stage": "3",
            "name_vi": "Sẵn sàng",
            "name_en": "Ready",
        },
    }
    return NoticeWanted(**{**said, **more})


async def want(served: Any, *notices: NoticeWanted) -> None:
    """Tell them, as any floor does, and let them be heard."""
    async with served.house.database.transaction() as tx:
        for one in notices:
            tx.tell(one)
    await served.settle()


async def work(served: Any) -> None:
    """Deliver until nothing is due."""
    while await served.house.notices.work_due():
        pass


async def add(client: Any, way: str, address: str, **more: Any) -> dict[str, Any]:
    """A way to be told."""
    answer = await client.post("/api/v1/profile/channels", json={"way": way, "address": address, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()  # type: ignore[no-any-return]


class Mailbox(MessageHandler):
    """A mail server that keeps what comes, or refuses as told."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Message] = []
        self.refuse: str | None = None

    def handle_message(self, message: Message) -> None:
        """One mail."""
        self.mails.append(message)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        """Whether an address is taken."""
        if self.refuse:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"


@pytest.fixture
async def mailbox(served: Any) -> AsyncIterator[Mailbox]:
    """A mail server on loopback, which the house sends by."""
    box = Mailbox()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(box), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = served.house.settings.with_(smtp_url=f"smtp://127.0.0.1:{port}", mail_from="truc@example.vn")
    served.house.notices.sender = Sender(settings, served.clock, {})
    yield box
    server.close()


async def test_the_inbox_has_it_once_until_it_is_read(served: Any) -> None:
    duty, chair = await served.signed_in("duty_officer"), await served.signed_in("chair")
    await want(served, a_notice(served), a_notice(served), a_notice(served, "n2", urgency=1))
    await want(served, a_notice(served))
    await work(served)
    page = (await duty.get("/api/v1/notices?lang=en")).json()
    assert [row["text"] for row in page["rows"]] == ["Flood is now at stage 3 (Ready)."] * 2
    assert (await duty.get("/api/v1/notices/unread")).json() == {"number": 2, "urgency": 1}
    assert (await chair.get("/api/v1/notices")).json()["rows"] == []
    seq = page["rows"][0]["seq"]
    assert (await chair.post("/api/v1/notices/read", json={"seqs": [seq]})).status_code == 200
    assert (await duty.get("/api/v1/notices/unread")).json()["number"] == 2  # nobody reads for another
    read = await duty.post("/api/v1/notices/read", json={"seqs": [], "upto": seq})
    assert read.json()["number"] == 0
    assert len((await duty.get("/api/v1/notices")).json()["rows"]) == 2
    assert (await duty.get("/api/v1/notices?unread=true")).json()["rows"] == []


async def test_who_is_meant_is_asked_when_it_is_addressed(served: Any) -> None:
    await want(served, a_notice(served, to_role="environment.officer", to_unit="so-mt"))
    await want(served, a_notice(served, "n2", to_role="no_such_role"))
    await work(served)
    assert (await (await served.signed_in("domain_owner")).get("/api/v1/notices/unread")).json()[
        "number"
    ] == 1
    # Nobody holds that role: the duty officer hears of it all the same.
    assert (await (await served.signed_in("duty_officer")).get("/api/v1/notices/unread")).json()[
        "number"
    ] == 1


async def test_mail_goes_out_in_the_persons_language_with_a_stable_id(served: Any, mailbox: Mailbox) -> None:
    duty = await served.signed_in("duty_officer")
    await add(duty, "mail", "hanh@example.vn")
    profile = (await duty.get("/api/v1/profile")).json()
    kept = {key: profile[key] for key in ("quiet_from", "quiet_to", "digest_at", "version")}
    assert (await duty.put("/api/v1/profile", json={**kept, "language": "en"})).status_code == 200
    await want(served, a_notice(served))
    await work(served)
    (mail,) = mailbox.mails
    assert mail["Subject"] == "Flood is now at stage 3 (Ready)."
    assert mail["To"] == "hanh@example.vn" and mail["X-MailFrom"] == "truc@example.vn"
    director = await served.signed_in("ioc_director")
    (row,) = (await director.get("/api/v1/ledger")).json()["rows"]
    assert mail["Message-ID"] == f"<{row['id']}@example.vn>"
    assert (row["state"], row["address"], len(row["tries"])) == ("sent", "ha…@example.vn", 1)
    assert row["tries"][0]["outcome"] == "sent"


async def test_a_failed_try_is_tried_again_later_and_given_up_loudly(served: Any, mailbox: Mailbox) -> None:
    duty = await served.signed_in("duty_officer")
    await add(duty, "mail", "hanh@example.vn")
    mailbox.refuse = "451 try later"
    await want(served, a_notice(served))
    await work(served)
    for wait in (30, 120, 300, 900, 1800, 3600):
        served.clock.advance(timedelta(seconds=wait - 1))
        await work(served)
        served.clock.advance(timedelta(seconds=1))
        await work(served)
    director = await served.signed_in("ioc_director")
    (row,) = (await director.get("/api/v1/ledger?state=gave_up")).json()["rows"]
    assert [one["outcome"] for one in row["tries"]] == ["failed"] * 7
    assert [one["number"] for one in row["tries"]] == list(range(1, 8))
    await served.settle()
    await work(served)
    page = (await duty.get("/api/v1/notices?lang=en")).json()
    assert page["rows"][0]["kind"] == "notice_gave_up" and "451" in page["rows"][0]["text"]
    assert mailbox.mails == []


async def test_an_address_that_is_gone_breaks_its_way_at_once(served: Any, mailbox: Mailbox) -> None:
    duty = await served.signed_in("duty_officer")
    await add(duty, "mail", "hanh@example.vn")
    mailbox.refuse = "550 no such user"
    await want(served, a_notice(served))
    await work(served)
    (channel,) = (await duty.get("/api/v1/profile")).json()["channels"]
    assert channel["broken_at"] and "550" in channel["broken_why"]
    served.clock.advance(MIN * 5)
    await want(served, a_notice(served, "n2"))
    await work(served)
    director = await served.signed_in("ioc_director")
    rows = (await director.get("/api/v1/ledger")).json()["rows"]
    assert [len(row["tries"]) for row in rows] == [1]  # a broken way is not used
    mailbox.refuse = None
    test = (await duty.post(f"/api/v1/profile/channels/{channel['id']}/test")).json()
    await work(served)
    (result,) = (await duty.get(f"/api/v1/profile/tests/{test['notice']}")).json()["rows"]
    assert result["state"] == "sent"
    (channel,) = (await duty.get("/api/v1/profile")).json()["channels"]
    assert channel["broken_at"] is None and channel["tested_at"]


async def test_a_webhook_is_signed_and_refused_inside(served: Any, receiver: Any) -> None:
    duty = await served.signed_in("duty_officer")
    made = await add(duty, "webhook", f"{receiver.url}/hook")
    assert made["secret"] and made["channel"]["address"] == f"{receiver.url}/hook"
    await want(served, a_notice(served))
    await work(served)
    (asked,) = receiver.asked
    at = asked.headers["x-datlanh-timestamp"]
    assert asked.headers["x-datlanh-signature"] == signature(made["secret"], at, asked.body)
    assert abs(int(at) - served.clock.now().timestamp()) < 1
    assert asked.json()["notices"][0]["id"] == "n1" and asked.json()["id"] == asked.headers["x-datlanh-id"]
    for address in (
        "http://169.254.169.254/latest",
        "http://10.0.0.1/",
        "file:///etc/passwd",
        "https://user@x.vn/",
    ):
        answer = await duty.post("/api/v1/profile/channels", json={"way": "webhook", "address": address})
        assert answer.status_code >= 400, address
    await duty.delete(f"/api/v1/profile/channels/{made['channel']['id']}")
    receiver.answers["/gone"] = (410, b"")
    gone = await add(duty, "webhook", f"{receiver.url}/gone")
    served.clock.advance(MIN * 5)
    await want(served, a_notice(served, "n3"))
    await work(served)
    (channel,) = (await duty.get("/api/v1/profile")).json()["channels"]
    assert channel["id"] == gone["channel"]["id"] and channel["broken_at"]


async def test_a_browser_is_told_so_that_only_it_can_read(served: Any, receiver: Any) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    point = key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    auth = os.urandom(16)

    def b64(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    duty = await served.signed_in("duty_officer")
    vapid = (await duty.get("/api/v1/profile")).json()["vapid"]
    await add(duty, "push", f"{receiver.url}/push/1", keys={"p256dh": b64(point), "auth": b64(auth)})
    await want(served, a_notice(served))
    await work(served)
    (asked,) = receiver.asked
    assert asked.headers["content-encoding"] == "aes128gcm" and f"k={vapid}" in asked.headers["authorization"]
    plain = http_ece.decrypt(asked.body, private_key=key, auth_secret=auth, version="aes128gcm")
    assert "Ngập lụt đang ở mức 3" in plain.decode()
    bad = await duty.post(
        "/api/v1/profile/channels", json={"way": "push", "address": f"{receiver.url}/2", "keys": {}}
    )
    assert bad.json()["key"] == "notice.push_keys"


async def test_quiet_hours_hold_back_all_but_the_gravest(served: Any, receiver: Any) -> None:
    duty = await served.signed_in("duty_officer")
    await add(duty, "webhook", f"{receiver.url}/hook", least=4)
    served.clock.advance(
        datetime(2026, 11, 23, 16, 0, tzinfo=UTC) - served.clock.now()
    )  # 23:00 in the province
    await want(served, a_notice(served, "n2", urgency=2), a_notice(served, "n4", urgency=4))
    await work(served)
    assert receiver.asked == []
    await want(served, a_notice(served, "n1", urgency=1))
    await work(served)
    assert [one["id"] for one in receiver.asked[0].json()["notices"]] == ["n1"]
    served.clock.advance(timedelta(hours=7, seconds=1))  # 06:00
    await work(served)
    assert [one["id"] for one in receiver.asked[1].json()["notices"]] == ["n2"]
    served.clock.advance(timedelta(hours=1))  # 07:00: the digest
    await work(served)
    assert [one["id"] for one in receiver.asked[2].json()["notices"]] == ["n4"]


async def test_a_storm_is_one_message_and_a_calm_one_follows_soon(served: Any, receiver: Any) -> None:
    duty = await served.signed_in("duty_officer")
    await add(duty, "webhook", f"{receiver.url}/hook")
    await want(served, *(a_notice(served, f"s{n}") for n in range(300)))
    await work(served)
    (asked,) = receiver.asked
    assert asked.json()["title"] == "300 thông báo"
    await want(served, a_notice(served, "late"))
    await work(served)
    assert len(receiver.asked) == 1
    served.clock.advance(plan.GAP[2])
    await work(served)
    assert [one["id"] for one in receiver.asked[1].json()["notices"]] == ["late"]
    director = await served.signed_in("ioc_director")
    rows = (await director.get("/api/v1/ledger?limit=200")).json()["rows"]
    assert all(row["state"] == "sent" for row in rows)
    async with served.house.database.read() as tx:
        assert await tx.value("SELECT count(*) FROM share.attempt") == 2


@dataclass
class Dying:
    """A sender whose worker dies after it has sent and before it has said so."""

    inner: Sender
    dies: int = 1
    sent: list[Letter] = field(default_factory=list)

    @property
    def ways(self) -> frozenset[Way]:
        """The ways there are."""
        return self.inner.ways

    def check(self, way: Way, address: str, settings: Any) -> str:
        """As the real one."""
        return self.inner.check(way, address, settings)

    @property
    def vapid(self) -> str:
        """As the real one."""
        return self.inner.vapid

    async def send(self, letter: Letter) -> str:
        """Sent; and then, perhaps, nothing more."""
        self.sent.append(letter)
        if self.dies:
            self.dies -= 1
            raise asyncio.CancelledError
        return "200"


async def test_a_worker_that_dies_between_sending_and_saying_so_leaves_a_line(
    served: Any, receiver: Any
) -> None:
    duty = await served.signed_in("duty_officer")
    await add(duty, "webhook", f"{receiver.url}/hook")
    dying = Dying(served.house.notices.sender)
    served.house.notices.sender = dying
    await want(served, a_notice(served))
    with pytest.raises(asyncio.CancelledError):
        await work(served)
    await work(served)  # within the lease nobody tries again
    assert len(dying.sent) == 1
    served.clock.advance(plan.LEASE)
    await work(served)
    assert [letter.id for letter in dying.sent] == [dying.sent[0].id] * 2  # at least once, with the same id
    director = await served.signed_in("ioc_director")
    (row,) = (await director.get("/api/v1/ledger")).json()["rows"]
    assert [one["outcome"] for one in row["tries"]] == ["lost", "sent"] and row["state"] == "sent"
    served.clock.advance(timedelta(days=1))
    await work(served)
    assert len(dying.sent) == 2


async def test_many_workers_send_each_notice_once(served: Any, receiver: Any) -> None:
    accounts = ("duty_officer", "shift_lead", "ioc_director", "chair")
    for role in accounts:
        await add(await served.signed_in(role), "webhook", f"{receiver.url}/{role}")
    house = served.house
    workers = [
        Notices(house.database, served.clock, house.settings, house.people, {}, sender=house.notices.sender)
        for _ in range(3)
    ]
    for round in range(5):
        await want(
            served, *(a_notice(served, f"{role}{round}", to_role=role, urgency=1) for role in accounts)
        )
        await asyncio.gather(*(worker.work_due() for worker in workers))
        served.clock.advance(MIN)
    for worker in workers:
        await worker.work_due()
    told = sorted(one["id"] for asked in receiver.asked for one in asked.json()["notices"])
    assert told == sorted(f"{role}{round}" for role in accounts for round in range(5))
    async with house.database.read() as tx:
        left = await tx.all("SELECT outcome, count(*) AS n FROM share.attempt GROUP BY 1")
    assert [row["outcome"] for row in left] == ["sent"]


async def test_a_race_of_two_over_one_preference_is_told(served: Any) -> None:
    duty = await served.signed_in("duty_officer")
    body = {"language": "vi", "quiet_from": "21:00", "quiet_to": "05:00", "digest_at": None, "version": 0}
    first = await duty.put("/api/v1/profile", json=body)
    assert first.json()["quiet_from"] == "21:00" and first.json()["version"] == 1
    second = await duty.put("/api/v1/profile", json=body)
    assert second.json()["key"] == "notice.changed_meanwhile"
    half = await duty.put("/api/v1/profile", json={**body, "quiet_to": None, "version": 1})
    assert half.json()["key"] == "notice.quiet_half"
    odd = await duty.put("/api/v1/profile", json={**body, "quiet_to": "25:00", "version": 1})
    assert odd.json()["key"] == "notice.time_form"


async def test_the_password_is_changed_by_whoever_knows_it(served: Any) -> None:
    duty = await served.signed_in("duty_officer")
    account, password = served.accounts["duty_officer"]
    new = "mật khẩu mới rất dài 1"
    wrong = await duty.post("/api/v1/profile/password", json={"present": "nhầm", "password": new})
    assert wrong.status_code == 403 and wrong.json()["key"] == "people.wrong_password"
    right = await duty.post("/api/v1/profile/password", json={"present": password, "password": new})
    assert right.status_code == 204
    again = await served.client().post("/api/v1/session", json={"name": account, "password": new})
    assert again.status_code == 200


async def test_a_way_is_ones_own(served: Any, receiver: Any) -> None:
    duty, chair = await served.signed_in("duty_officer"), await served.signed_in("chair")
    made = (await add(duty, "webhook", f"{receiver.url}/hook"))["channel"]
    body = {"label": "x", "least": 1, "enabled": False, "version": 1}
    assert (await chair.put(f"/api/v1/profile/channels/{made['id']}", json=body)).status_code == 404
    assert (await chair.post(f"/api/v1/profile/channels/{made['id']}/test")).status_code == 404
    assert (await chair.delete(f"/api/v1/profile/channels/{made['id']}")).status_code == 404
    changed = await duty.put(f"/api/v1/profile/channels/{made['id']}", json=body)
    assert changed.json()["enabled"] is False
    twice = await duty.post(
        "/api/v1/profile/channels", json={"way": "webhook", "address": f"{receiver.url}/hook"}
    )
    assert twice.status_code == 409
    assert (await chair.get("/api/v1/ledger")).status_code == 403


async def test_a_gateway_that_says_no_in_its_answer_has_not_taken_it(served: Any, receiver: Any) -> None:
    from datlanh.model.notice import Gateway
    from datlanh.share.notice.render import Rendered

    gateway = Gateway(
        way=Way.SMS,
        url=f"{receiver.url}/sms",
        body={"to": "{to}", "text": "{text}"},
        ok_at="code",
        ok_is="0",
        never=("99",),
        longest=60,
    )
    sender = Sender(served.house.settings, served.clock, {Way.SMS: gateway})
    words = Rendered(title="t", text='Lũ "khẩn" {secret:vapid.pem} {id}\n' + "x" * 200, link="http://d/1")
    letter = Letter(
        id="i", way=Way.SMS, address="0912", words=words, urgency=1, at=served.clock.now(), settings={}
    )
    receiver.answers["/sms"] = (200, b'{"code":"0"}')
    await sender.send(letter)
    text = receiver.asked[0].json()["text"]
    assert (
        len(text) <= 60 and text.endswith("http://d/1") and "{secret:vapid.pem}" in text
    )  # a text stays a text
    receiver.answers["/sms"] = (200, b'{"code":"7"}')
    with pytest.raises(Failed) as again:
        await sender.send(letter)
    receiver.answers["/sms"] = (200, b'{"code":"99"}')
    with pytest.raises(Failed) as never:
        await sender.send(letter)
    assert (again.value.permanent, never.value.permanent) == (False, True)

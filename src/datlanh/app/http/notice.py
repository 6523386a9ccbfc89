"""Doors: one's own inbox and profile, and the ledger of what was sent."""

import re
from dataclasses import dataclass, field
from datetime import datetime, time

from datlanh.app.http.alarm import aware, record
from datlanh.app.http.door import Ask, Asked, Door
from datlanh.model.errors import BadInput, Refused
from datlanh.model.notice import Preference, Way
from datlanh.share import notice_shapes as shapes

door = Door("/api/v1", "notices")
MOST = 200
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadNotices:
    """These have been read, or all up to one."""

    seqs: list[int] = field(default_factory=list)
    upto: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChannel:
    """A new way to be told; `keys` are what a browser gave for web push."""

    way: str
    address: str
    label: str = ""
    least: int = 2
    keys: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EditChannel:
    """Another label, limit, or switched on or off."""

    label: str
    least: int
    enabled: bool
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EditProfile:
    """Another language, other quiet hours; `version` is that of the quiet hours as they were seen."""

    language: str
    quiet_from: str | None
    quiet_to: str | None
    digest_at: str | None
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPassword:
    """Another password; the present one is asked for."""

    present: str
    password: str


def _me(ask: Ask) -> int:
    return int(ask.person.id)


@door.get("/notices", permission="notice.read", answers=shapes.NoticePage)
async def inbox(
    ask: Asked, unread: bool = False, before: int | None = None, limit: int = 50
) -> shapes.NoticePage:
    """One's own inbox, newest first."""
    if not 1 <= limit <= MOST:
        raise BadInput("http.limit_out_of_range", where="limit", most=MOST)
    async with ask.house.database.read() as tx:
        rows = await ask.house.notices.inbox(tx, _me(ask), unread=unread, before=before, limit=limit + 1)
        number, _ = await ask.house.notices.unread(tx, _me(ask))
    shown = [shapes.notice_row(row, ask.language) for row in rows[:limit]]
    return shapes.NoticePage(
        at=ask.house.clock.now(),
        rows=shown,
        unread=number,
        next=shown[-1].seq if len(rows) > limit else None,
    )


@door.get("/notices/unread", permission="notice.read", answers=shapes.Unread)
async def unread(ask: Asked) -> shapes.Unread:
    """How much is unread."""
    return await _unread(ask)


async def _unread(ask: Ask) -> shapes.Unread:
    async with ask.house.database.read() as tx:
        number, urgency = await ask.house.notices.unread(tx, _me(ask))
    return shapes.Unread(number=number, urgency=urgency)


@door.post("/notices/read", permission="notice.read", answers=shapes.Unread)
async def read(ask: Asked, which: ReadNotices) -> shapes.Unread:
    """Mark as read; twice is harmless."""
    if len(which.seqs) > MOST or any(not 0 < seq < 2**62 for seq in which.seqs):
        raise BadInput("http.limit_out_of_range", where="seqs", most=MOST)
    async with ask.house.database.transaction() as tx:
        await ask.house.notices.read(tx, _me(ask), which.seqs, which.upto)
    return await _unread(ask)


# -- the profile --------------------------------------------------------------------------------------------


@door.get("/profile", permission="notice.read", answers=shapes.Profile)
async def profile(ask: Asked) -> shapes.Profile:
    """How one wants to be told."""
    return await _profile(ask)


async def _profile(ask: Ask) -> shapes.Profile:
    notices = ask.house.notices
    me = await ask.house.people.person(_me(ask))
    async with ask.house.database.read() as tx:
        channels = await notices.channels(tx, _me(ask))
        wish = await notices.preference(tx, _me(ask))
    return shapes.Profile(
        name=me.name,
        title=me.title,
        account=me.account,
        language=me.language,
        channels=[shapes.channel_row(one) for one in channels],
        ways=sorted(way.value for way in notices.sender.ways if way is not Way.LOUDSPEAKER),
        vapid=notices.sender.vapid,
        version=wish.version,
        **shapes.hours(wish),
    )


@door.put("/profile", permission="notice.read", answers=shapes.Profile)
async def edit_profile(ask: Asked, edit: EditProfile) -> shapes.Profile:
    """Change the language and the quiet hours."""
    wish = Preference(
        quiet_from=_time(edit.quiet_from, "quiet_from"),
        quiet_to=_time(edit.quiet_to, "quiet_to"),
        digest_at=_time(edit.digest_at, "digest_at"),
        version=edit.version,
    )
    async with ask.house.database.transaction() as tx:
        await ask.house.notices.prefer(tx, _me(ask), wish)
    if edit.language != ask.person.language:
        await ask.house.people.change_language(_me(ask), edit.language, ask.person)
    return await _profile(ask)


def _time(text: str | None, where: str) -> time | None:
    if not text:
        return None
    if not _TIME.fullmatch(text):
        raise BadInput("notice.time_form", where=where)
    return time.fromisoformat(text)


@door.post("/profile/password", permission="notice.read", status=204, command=False)
async def change_password(ask: Asked, new: NewPassword) -> None:
    """Set another password; other sessions of one's own end."""
    client = ask.request.client
    await ask.house.people.change_own_password(
        ask.person, new.present[:1000], new.password[:1000], client.host if client else ""
    )


@door.post("/profile/channels", permission="notice.read", answers=shapes.NewChannelRow, status=201)
async def add_channel(ask: Asked, new: NewChannel) -> shapes.NewChannelRow:
    """A new way to be told; a webhook's secret is in the answer and nowhere else."""
    if new.way not in {way.value for way in Way}:
        raise Refused("notice.way_not_here", way=new.way[:40])
    async with ask.house.database.transaction() as tx:
        made, secret = await ask.house.notices.add_channel(
            tx,
            _me(ask),
            Way(new.way),
            new.address,
            label=new.label,
            least=new.least,
            settings={"keys": new.keys},
        )
        await record(ask, tx, "channel.added", f"person:{_me(ask)}", {"way": new.way})
    return shapes.NewChannelRow(channel=shapes.channel_row(made), secret=secret or None)


@door.put("/profile/channels/{id}", permission="notice.read", answers=shapes.ChannelRow)
async def edit_channel(ask: Asked, id: str, edit: EditChannel) -> shapes.ChannelRow:
    """Change a way to be told."""
    async with ask.house.database.transaction() as tx:
        changed = await ask.house.notices.change_channel(
            tx,
            _me(ask),
            id,
            label=edit.label,
            least=edit.least,
            enabled=edit.enabled,
            version=edit.version,
        )
    return shapes.channel_row(changed)


@door.delete("/profile/channels/{id}", permission="notice.read")
async def drop_channel(ask: Asked, id: str) -> None:
    """Take a way back."""
    async with ask.house.database.transaction() as tx:
        await ask.house.notices.drop_channel(tx, _me(ask), id)
        await record(ask, tx, "channel.dropped", f"person:{_me(ask)}", {"channel": id})


@door.post("/profile/channels/{id}/test", permission="notice.read", answers=shapes.Tried)
async def test_channel(ask: Asked, id: str) -> shapes.Tried:
    """Send a test by one way, whatever the hour."""
    me = await ask.house.people.person(_me(ask))
    async with ask.house.database.transaction() as tx:
        notice, delivery = await ask.house.notices.test(tx, me, id)
    return shapes.Tried(delivery=delivery, notice=notice)


@door.get("/profile/tests/{notice}", permission="notice.read", answers=shapes.Ledger)
async def test_result(ask: Asked, notice: str) -> shapes.Ledger:
    """What became of a test of one's own."""
    async with ask.house.database.read() as tx:
        rows = await ask.house.notices.ledger(tx, notice=notice, limit=10)
    own = [row for row in rows if row["person"] == _me(ask)]
    return shapes.Ledger(
        at=ask.house.clock.now(),
        rows=[shapes.delivery_row(row, {}, ask.language) for row in own],
        counts={},
        nobody=0,
        next=None,
    )


# -- the ledger ---------------------------------------------------------------------------------------------


@door.get("/ledger", permission="ledger.read", answers=shapes.Ledger)
async def ledger(
    ask: Asked,
    state: str | None = None,
    way: str | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> shapes.Ledger:
    """What was sent to whom, newest first: every try and how it ended."""
    if not 1 <= limit <= MOST:
        raise BadInput("http.limit_out_of_range", where="limit", most=MOST)
    before = None
    if cursor is not None:
        at, _, id = cursor.partition("~")
        try:
            before = (aware(datetime.fromisoformat(at), "cursor"), id)
        except ValueError:
            raise BadInput("operate.bad_cursor", after=cursor[:80]) from None
    async with ask.house.database.read() as tx:
        rows = await ask.house.notices.ledger(
            tx, states=[state] if state else [], way=way, before=before, limit=limit + 1
        )
        counts, nobody = await ask.house.notices.counts(tx)
    shown = rows[:limit]
    names = await ask.house.people.person_names({row["person"] for row in shown if row["person"] is not None})
    return shapes.Ledger(
        at=ask.house.clock.now(),
        rows=[shapes.delivery_row(row, names, ask.language) for row in shown],
        counts=counts,
        nobody=nobody,
        next=f"{shown[-1]['created_at'].isoformat()}~{shown[-1]['id']}" if len(rows) > limit else None,
    )

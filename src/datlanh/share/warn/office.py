"""The office of warnings: signs and publishes what was confirmed, and judges what others send.

Nothing that comes in warns anybody: it becomes a draft that two persons of ours have to pass. The one thing to know:
an alert counts once by sender, identifier and time; the same again is refused, whoever brings it.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from lxml import etree

from datlanh.kernel import PROVINCE_ZONE, Clock, Database, Settings, Transaction, queries
from datlanh.kernel.space import leave
from datlanh.kernel.words import say
from datlanh.model.alarm import PersonRef
from datlanh.model.area import Area
from datlanh.model.errors import Conflict, Error, NotFound, Refused
from datlanh.model.messages.notice import NoticeWanted
from datlanh.model.messages.warn import WarningPublished
from datlanh.model.notice import PublicTarget, WarnDeclaration
from datlanh.model.warning import Warning, WarningKind, WarningState
from datlanh.operate import Warnings
from datlanh.operate.warning import MOST_POINTS
from datlanh.people import People
from datlanh.share.cap import CapAlert, Signer, certificate_of, read, verified, write
from datlanh.share.notice import Notices
from datlanh.share.notice.render import sms_parts
from datlanh.share.warn import feed, shape

log = structlog.get_logger(__name__)

FUTURE, OLD = timedelta(minutes=5), timedelta(hours=24)
SHOWN, SHOWN_FOR = 50, timedelta(days=7)
KEPT_OF_REFUSED = 64 * 2**10
_SQL = queries(__package__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What became of an alert that came in."""

    sender: str
    identifier: str
    verdict: str  # taken | kept | refused
    warning: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A warning as the public would get it."""

    alert: CapAlert
    xml: str
    sms: dict[str, tuple[str, int, bool]]  # language -> text, parts, whether it needs the large alphabet
    targets: tuple[PublicTarget, ...]


class Office:
    """Between our warnings and the outside."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        settings: Settings,
        people: People,
        warnings: Warnings,
        notices: Notices,
        declared: WarnDeclaration,
    ) -> None:
        self._db = db
        self._clock = clock
        self._settings = settings
        self._people = people
        self._warnings = warnings
        self._notices = notices
        self.declared = declared
        self._signer: Signer | None = None

    @property
    def signer(self) -> Signer:
        """Our key; made at the first use when the folder of secrets has none."""
        if self._signer is None:
            self._signer = Signer(self._settings.home, self.declared.sender, self._clock.now())
        return self._signer

    # -- out

    async def published(self, tx: Transaction, told: WarningPublished) -> None:
        """A warning was confirmed: sign it, put it into the feed, tell those who are told."""
        warning = await self._warnings.one(tx, told.warning)
        alert = await self._alert(warning, told.at)
        body = await asyncio.to_thread(lambda: self.signer.sign(write(alert)))
        given = {
            "identifier": alert.identifier,
            "warning": str(warning.id),
            "sent": told.at,
            "expires": warning.text.expires,
            "msg_type": alert.msg_type,
            "body": body,
        }
        await tx.run(_SQL["out"], given)
        text = warning.text
        cancels = warning.kind is WarningKind.CANCEL
        await self._notices.tell_public(
            tx,
            NoticeWanted(
                id=f"public:{warning.id}",
                kind="public_cancel" if cancels else "public_warning",
                about=warning.id,
                about_code=warning.code,
                href=self._path(alert.identifier),
                urgency=1,
                at=told.at,
                params={
                    **{f"headline_{one}": text.headline[one] for one in ("vi", "en")},
                    **{f"do_{one}": text.instruction.get(one, "") for one in ("vi", "en")},
                },
            ),
            self.targets(warning),
            self._clock.now(),
        )

    def targets(self, warning: Warning) -> tuple[PublicTarget, ...]:
        """Who of those declared is told of a warning: those it names, else those of its areas."""
        text = warning.text
        if text.targets:
            return tuple(one for one in self.declared.targets if one.id in text.targets)
        return tuple(
            one
            for one in self.declared.targets
            if not one.areas or not text.areas or set(one.areas) & set(text.areas)
        )

    async def _alert(self, warning: Warning, sent: datetime) -> CapAlert:
        alert = shape.alert_of(
            warning,
            await self._areas(warning),
            self.declared,
            sent.astimezone(PROVINCE_ZONE),
            self._notices.public_url + self._path(warning.identifier),
        )
        return replace(alert, status="Exercise") if self._settings.exercise else alert

    async def _areas(self, warning: Warning) -> list[Area]:
        found = []
        for code in warning.text.areas:
            try:
                found.append(await self._people.area(code))
            except NotFound:
                raise NotFound("warn.no_such_area", code=code) from None
        return found

    @staticmethod
    def _path(identifier: str) -> str:
        return f"/api/v1/public/warnings/{identifier}.xml"

    async def preview(self, warning: Warning) -> Preview:
        """A draft as it would go out, as far as it is written."""
        text = warning.text
        both = {
            field: {"vi": words.get("vi", "").strip() or "…", "en": words.get("en", "").strip() or "…"}
            for field, words in (
                ("event", text.event),
                ("headline", text.headline),
                ("description", text.description),
            )
        }
        whole = Warning(
            id=warning.id,
            code=warning.code,
            kind=warning.kind,
            text=replace(
                text,
                event=both["event"],
                headline=both["headline"],
                description=both["description"],
            ),
            references=warning.references,
            drafted_at=warning.drafted_at,
            drafted_by=warning.drafted_by,
        )
        alert = await self._alert(whole, warning.published_at or self._clock.now())
        sms = {}
        for language in ("vi", "en"):
            # The very sentence that goes out.
            kind = "public_cancel" if warning.kind is WarningKind.CANCEL else "public_warning"
            do = text.instruction.get(language, "")
            said = say(f"notice.{kind}", language, headline=both["headline"][language], do=do).strip()
            sms[language] = (said, *sms_parts(said))
        xml = etree.tostring(write(alert), pretty_print=True, encoding="unicode")
        return Preview(alert=alert, xml=xml, sms=sms, targets=self.targets(warning))

    async def feed(self, tx: Transaction, kind: str, language: str) -> bytes:
        """The public feed as `atom` or `rss`; an exercise has none."""
        leave(self._settings, "feed")
        now = self._clock.now()
        rows = await tx.all(_SQL["feed"], {"since": now - SHOWN_FOR, "now": now, "limit": SHOWN})
        base = self._notices.public_url
        entries = [
            feed.Entry(alert=read(bytes(row["body"])), link=base + self._path(row["identifier"]))
            for row in rows
        ]
        write_it = feed.atom if kind == "atom" else feed.rss
        name = self.declared.sender_name.get(language) or self.declared.sender
        return write_it(
            entries,
            title=name,
            link=f"{base}/api/v1/public/warnings.{kind}",
            updated=(rows[0]["sent"] if rows else now.replace(minute=0, second=0)).astimezone(PROVINCE_ZONE),
            language=language,
        )

    async def signed(self, tx: Transaction, identifier: str) -> bytes:
        """An alert of ours as it was signed; an exercise has none."""
        leave(self._settings, "feed")
        body = await tx.value(_SQL["one_out"], {"identifier": identifier})
        if body is None:
            raise NotFound("warn.no_such_warning", id=identifier)
        return bytes(body)

    # -- in

    async def receive(self, body: bytes, by: str) -> Received:
        """Judge an alert that came in; taken once, refused aloud, and never believed without a person."""
        try:
            return await self._receive(body, by)
        except Error as error:
            await self._refused(body, by, error)
            raise

    async def _receive(self, body: bytes, by: str) -> Received:
        now = self._clock.now()
        claimed = await asyncio.to_thread(read, body)
        known = self.declared.senders.get(claimed.sender)
        if known is None:
            raise Refused("cap.sender_unknown", sender=claimed.sender)
        alert = await asyncio.to_thread(verified, body, certificate_of(known.certificate), now)
        if alert.sender != known.sender:
            raise Refused("cap.sender_unknown", sender=alert.sender)
        if alert.sent > now + FUTURE:
            raise Refused("cap.of_the_future", sent=alert.sent.isoformat())
        ends = alert.expires
        if (ends is not None and ends <= now) or (ends is None and now - alert.sent > OLD):
            raise Refused("cap.expired", sent=alert.sent.isoformat())
        real = (
            alert.status == "Actual"
            and alert.scope == "Public"
            and alert.msg_type in ("Alert", "Update", "Cancel")
            and bool(alert.infos or alert.msg_type == "Cancel")
        )
        async with self._db.transaction() as tx:
            given = {
                "now": now,
                "sender": alert.sender,
                "identifier": alert.identifier,
                "sent": alert.sent,
                "verdict": "taken" if real else "kept",
                "why": "" if real else f"{alert.status} {alert.scope} {alert.msg_type}",
                "by_id": by,
                "warning": None,
                "body": body,
            }
            if real:
                # The row first: of two who bring the same alert, one waits here and is then refused.
                given["warning"] = self._warnings.id_of_origin(_origin(alert))
            if not await tx.run(_SQL["take"], given):
                raise Conflict("cap.replay", identifier=alert.identifier, sender=alert.sender)
            warning = await self._draft(tx, alert, known.name) if real else None
        return Received(
            sender=alert.sender,
            identifier=alert.identifier,
            verdict=str(given["verdict"]),
            warning=str(warning.id) if warning else None,
        )

    async def _draft(self, tx: Transaction, alert: CapAlert, name: str) -> Warning | None:
        earlier = [
            found
            for reference in alert.references
            if (found := await self._warnings.of_origin(tx, f"cap:{reference}")) is not None
        ]
        followed = next((one for one in reversed(earlier) if one.state is WarningState.PUBLISHED), None)
        if alert.msg_type in ("Update", "Cancel"):
            by = PersonRef(id="cap", name=name)
            for one in earlier:
                if one.open:
                    await self._warnings.drop(tx, one.id, why=f"{alert.msg_type} {alert.identifier}", by=by)
        if alert.msg_type == "Cancel" and followed is None:
            return None
        kind = WarningKind.ALERT
        if followed is not None:
            kind = WarningKind.CANCEL if alert.msg_type == "Cancel" else WarningKind.UPDATE
        today = await self._people.areas()
        if alert.infos:
            text = shape.text_of(alert, [area.code for area in today], MOST_POINTS)
        else:
            assert followed is not None
            text = followed.text
        return await self._warnings.draft(
            tx,
            text=text,
            by=None,
            kind=kind,
            follows=str(followed.id) if followed else None,
            origin=_origin(alert),
        )

    async def _refused(self, body: bytes, by: str, error: Error) -> None:
        try:
            claimed = read(body)
            sender, identifier, sent = claimed.sender, claimed.identifier, claimed.sent
        except Error:
            sender, identifier, sent = "", "", None
        log.warning("cap.refused", key=error.key, sender=sender, identifier=identifier)
        async with self._db.transaction() as tx:
            await tx.run(
                _SQL["take"],
                {
                    "now": self._clock.now(),
                    "sender": sender,
                    "identifier": identifier,
                    "sent": sent,
                    "verdict": "refused",
                    "why": error.key,
                    "by_id": by,
                    "warning": None,
                    "body": body[:KEPT_OF_REFUSED],
                },
            )

    async def received(
        self, tx: Transaction, before: int | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        """What came in, newest first, refused ones too."""
        return await tx.all(_SQL["received"], {"before": before, "limit": limit})

    async def received_body(self, tx: Transaction, seq: int) -> bytes:
        """What came in, byte for byte."""
        body = await tx.value(_SQL["received_body"], {"seq": seq})
        if body is None:
            raise NotFound("warn.no_such_warning", id=str(seq))
        return bytes(body)


def _origin(alert: CapAlert) -> str:
    return f"cap:{alert.sender},{alert.identifier},{alert.sent.isoformat()}"

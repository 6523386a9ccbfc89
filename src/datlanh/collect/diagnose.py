"""Connector habit: each source is tried before it is saved, can say how it stands, and how to repair itself.

`trial` goes the way that data would go, step by step, until one fails; nothing is kept of what it fetches.
`standing` reads what the doors have written down. The one thing to know: steps carry keys of `strings/`, never
sentences, and a step that fails always carries the key of its repair.
"""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from datlanh.collect import door, drift, mapping, message, mqtt, poll, rule
from datlanh.collect.batch import Batch
from datlanh.collect.registry import Registry
from datlanh.collect.source import folder_of
from datlanh.collect.unit import convert
from datlanh.kernel import Clock, Database, Settings, from_micros, to_micros
from datlanh.model.errors import Error
from datlanh.model.pack import Packs
from datlanh.model.reading import QUALITY_WORDS, Mapped
from datlanh.model.source import FILE_PROTOCOLS, Source

LIMIT_S: Final = 40
SHOWN: Final = 20
SAMPLE_LIMIT: Final = 8 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: done (`ok`), failed, or not to be known (None); what is to be said of it, and what to do."""

    name: str
    ok: bool | None
    said: str
    params: Mapping[str, Any] = field(default_factory=dict)
    repair: str | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All steps of a trial, and the first readings that would have come of it."""

    steps: tuple[Step, ...]
    preview: tuple[Mapping[str, Any], ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return all(step.ok is not False for step in self.steps)


class Diagnosis:
    """Tries sources that are not saved yet, and says how the saved ones stand."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        settings: Settings,
        registry: Registry,
        polls: poll.Polls,
        packs: Packs | None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._registry = registry
        self._polls = polls
        self._packs = packs

    async def trial(self, source: str, told: Mapping[str, Any], sample: bytes | None = None) -> Report:
        """Try a declaration: is it sound, does the place answer, can what comes be understood."""
        try:
            draft = self._registry.draft(source, told)
        except Error as error:
            return Report(steps=(_failed("declared", error, "doors.repair_declaration"),))
        steps = [Step(name="declared", ok=True, said="doors.step_declared")]
        steps += self._vocabulary(draft)
        found: Mapped | None = None
        try:
            async with asyncio.timeout(LIMIT_S):
                if sample is not None:
                    found = await self._sample(draft, sample[:SAMPLE_LIMIT], steps)
                reached = await self._reach(draft, steps)
                found = found if found is not None else reached
        except TimeoutError:
            steps.append(
                Step(name="answer", ok=False, said="doors.step_too_slow", repair="doors.repair_address")
            )
        return Report(steps=tuple(steps), preview=_preview(found))

    def _vocabulary(self, source: Source) -> list[Step]:
        """Whether the attributes that a mapping names are known, in units that fit."""
        if self._packs is None or source.codec not in door.CODECS:
            return []
        made = rule.rule_of(source)
        unknown: list[str] = []
        unfit: list[str] = []
        for one in made.fields.values():
            for type_ in made.types:
                declared = self._packs.attribute(type_, one.attribute)
                if declared is None:
                    unknown.append(f"{type_}.{one.attribute}")
                elif declared.unit and one.unit and convert(one.unit, declared.unit) != (1.0, 0.0):
                    unfit.append(f"{type_}.{one.attribute}: {one.unit} ≠ {declared.unit}")
        if unfit:
            return [
                Step(
                    name="vocabulary",
                    ok=False,
                    said="doors.step_units_unfit",
                    params={"which": ", ".join(sorted(set(unfit))[:SHOWN])},
                    repair="doors.repair_units",
                )
            ]
        if unknown:
            which = ", ".join(sorted(set(unknown))[:SHOWN])
            return [
                Step(
                    name="vocabulary",
                    ok=None,
                    said="doors.step_attributes_unknown",
                    params={"which": which},
                    repair="doors.repair_attributes",
                )
            ]
        return [Step(name="vocabulary", ok=True, said="doors.step_attributes_known")]

    async def _sample(
        self,
        source: Source,
        body: bytes,
        steps: list[Step],
        codec: str | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> Mapped:
        """What the mapping makes of bytes; the step says how much was understood."""
        name = codec or source.codec
        if name == "csv" and body[:4] == b"PK\x03\x04":
            name = "sheet"
        batch = Batch(
            seq=0,
            received_at=self._clock.now(),
            source=source.id,
            codec=name,
            body=body,
            meta=dict(meta or {}),
        )
        # A sample is often an old one: it is its form that is tried, not its age.
        patient = replace(source, window=replace(source.window, oldest=timedelta(days=36_500)))
        found = await asyncio.to_thread(mapping.map_batch, batch, {source.id: patient})
        notes = [r for r in found.refusals if r.reason in ("doors.field_extra", "doors.field_missing")]
        refused = [r for r in found.refusals if r not in notes]
        first = refused[0] if refused else None
        count = len(found.readings)
        if count and not refused:
            steps.append(
                Step(name="understood", ok=True, said="doors.step_understood", params={"readings": count})
            )
        elif count:
            assert first is not None
            params = {
                "readings": count,
                "refused": len(refused),
                "reason": first.reason,
                **_few(first.params),
            }
            steps.append(
                Step(
                    name="understood",
                    ok=None,
                    said="doors.step_partly_understood",
                    params=params,
                    repair="doors.repair_mapping",
                )
            )
        else:
            params = {"reason": first.reason, **_few(first.params)} if first else {}
            steps.append(
                Step(
                    name="understood",
                    ok=False,
                    said=first.reason if first else "doors.step_nothing_understood",
                    params=params,
                    repair="doors.repair_mapping",
                )
            )
        if notes:
            extra = sorted(str(r.params.get("field")) for r in notes if r.reason == "doors.field_extra")
            missing = sorted(str(r.params.get("field")) for r in notes if r.reason == "doors.field_missing")
            steps.append(
                Step(
                    name="drift",
                    ok=None,
                    said="doors.step_differs",
                    params={
                        "extra": ", ".join(extra[:SHOWN]) or "–",
                        "missing": ", ".join(missing[:SHOWN]) or "–",
                    },
                    repair="doors.repair_drift",
                )
            )
        return found

    async def _reach(self, source: Source, steps: list[Step]) -> Mapped | None:
        """Whether the place that data comes from can be reached, by the protocol."""
        if source.protocol == "poll":
            return await self._reach_address(source, steps)
        if source.protocol == "mqtt":
            return await self._reach_broker(source, steps)
        if source.protocol == "push":
            path = f"/api/v1/sources/{source.id}/readings"
            steps.append(Step(name="door", ok=True, said="doors.step_push_to", params={"path": path}))
        if source.protocol in FILE_PROTOCOLS:
            steps.append(self._folder(source))
        return None

    async def _reach_address(self, source: Source, steps: list[Step]) -> Mapped | None:
        fetcher = self._polls.fetcher
        try:
            made = poll.plan(source, fetcher.guard, self._settings)
            target = fetcher.guard.check(made.url)
            await fetcher.guard.resolve(target.host, target.port)
        except Error as error:
            steps.append(_failed("address", error, "doors.repair_address"))
            return None
        steps.append(Step(name="address", ok=True, said="doors.step_address", params={"host": target.host}))
        try:
            fetched = await fetcher.fetch(made)
        except Error as error:
            steps.append(_failed("answer", error, "doors.repair_answer"))
            return None
        if fetched.status != 200 or fetched.body is None:
            repair = "doors.repair_secret" if fetched.status in (401, 403) else "doors.repair_answer"
            said = "doors.poll_status"
            steps.append(
                Step(name="answer", ok=False, said=said, params={"status": fetched.status}, repair=repair)
            )
            return None
        params = {"status": fetched.status, "bytes": len(fetched.body)}
        steps.append(Step(name="answer", ok=True, said="doors.step_answer", params=params))
        meta = {"form": poll.form_of(fetched.content_type)}
        return await self._sample(source, fetched.body, steps, meta=meta)

    async def _reach_broker(self, source: Source, steps: list[Step]) -> Mapped | None:
        try:
            topic = message.topic_of(source.settings.get("topic"))
            broker = mqtt.broker_of(source, self._settings)
        except Error as error:
            steps.append(_failed("broker", error, "doors.repair_broker"))
            return None
        found = await asyncio.to_thread(mqtt.probe, broker, topic)
        if not found.connected:
            params = {"broker": broker.name, "said": found.said or "–"}
            steps.append(
                Step(
                    name="broker",
                    ok=False,
                    said="doors.step_broker_silent",
                    params=params,
                    repair="doors.repair_broker",
                )
            )
            return None
        steps.append(Step(name="broker", ok=True, said="doors.step_broker", params={"broker": broker.name}))
        if not found.subscribed:
            params = {"topic": topic.filter, "said": found.said or "–"}
            steps.append(
                Step(
                    name="topic",
                    ok=False,
                    said="doors.step_topic_refused",
                    params=params,
                    repair="doors.repair_topic",
                )
            )
            return None
        steps.append(Step(name="topic", ok=True, said="doors.step_topic", params={"topic": topic.filter}))
        if found.payload is None:
            steps.append(
                Step(name="message", ok=None, said="doors.step_no_message", repair="doors.repair_no_message")
            )
            return None
        framed = message.frame(found.topic, found.payload, to_micros(self._clock.now()), False)
        return await self._sample(source, framed, steps, codec="mqtt")

    def _folder(self, source: Source) -> Step:
        name = folder_of(source)
        folder: Path = self._settings.inbox_folder / name if name else self._settings.inbox_folder
        if not folder.is_dir():
            return Step(
                name="folder",
                ok=None,
                said="doors.step_folder_missing",
                params={"folder": str(name or folder.name)},
                repair="doors.repair_folder",
            )
        good = os.access(folder, os.R_OK | os.W_OK | os.X_OK)
        return Step(
            name="folder",
            ok=good,
            said="doors.step_folder" if good else "doors.step_folder_closed",
            params={"folder": str(name or folder.name)},
            repair=None if good else "doors.repair_folder",
        )

    # -- how saved sources stand -----------------------------------------------------------------------------------

    async def standing(self, source: Source) -> list[Step]:
        """How a saved source stands now: its door, its data, and how it differs from its declaration."""
        steps: list[Step] = []
        now = self._clock.now()
        if not source.enabled:
            steps.append(Step(name="enabled", ok=None, said="doors.stands_off", repair="doors.repair_off"))
        if source.protocol == "poll":
            steps += await self._standing_poll(source, now)
        if source.protocol == "mqtt":
            steps += await self._standing_mqtt(source)
        if source.protocol in FILE_PROTOCOLS:
            steps.append(self._folder(source))
        steps.append(await self._standing_data(source, now))
        for one in await drift.of_source(self._database, source.id, source.version):
            steps.append(
                Step(
                    name="drift",
                    ok=None,
                    said=f"doors.stands_{one.kind}",
                    params={"field": one.field, "batches": one.batches},
                    repair="doors.repair_drift",
                    at=one.last_seen,
                )
            )
        return steps

    async def _standing_poll(self, source: Source, now: datetime) -> list[Step]:
        row = await self._polls.state(source.id)
        if row is None or row["last_at"] is None:
            return [
                Step(name="answer", ok=None, said="doors.stands_never_polled", repair="doors.repair_collect")
            ]
        if row["last_reason"] is None:
            params = {"status": row["last_status"] or 0}
            return [
                Step(name="answer", ok=True, said="doors.stands_polled", params=params, at=row["last_at"])
            ]
        return [
            Step(
                name="answer",
                ok=False,
                said=row["last_reason"],
                params={**row["last_params"], "failures": row["failures"]},
                repair="doors.repair_answer",
                at=row["last_at"],
            )
        ]

    async def _standing_mqtt(self, source: Source) -> list[Step]:
        try:
            broker = mqtt.broker_of(source, self._settings)
        except Error as error:
            return [_failed("broker", error, "doors.repair_broker")]
        async with self._database.read() as tx:
            row = await tx.one(
                "SELECT state, changed_at FROM collect.mqtt_session WHERE broker = %(broker)s",
                {"broker": broker.name},
            )
        if row is None or not row["state"]:
            return [
                Step(
                    name="broker", ok=None, said="doors.stands_never_connected", repair="doors.repair_collect"
                )
            ]
        good = bool(row["state"].get("connected"))
        return [
            Step(
                name="broker",
                ok=good,
                said="doors.step_broker" if good else "doors.step_broker_silent",
                params={"broker": broker.name, "said": str(row["state"].get("said") or "–")},
                repair=None if good else "doors.repair_broker",
                at=row["changed_at"],
            )
        ]

    async def _standing_data(self, source: Source, now: datetime) -> Step:
        async with self._database.read() as tx:
            row = await tx.one(
                "SELECT last_seen, last_observed_at FROM collect.live WHERE source = %(source)s",
                {"source": source.id},
            )
        if row is None:
            return Step(name="data", ok=None, said="doors.stands_never_heard", repair="doors.repair_silent")
        newest = row["last_observed_at"]
        allowed = source.contract.fresh
        if newest is None:
            return Step(
                name="data",
                ok=False,
                said="doors.stands_not_understood",
                repair="doors.repair_mapping",
                at=row["last_seen"],
            )
        minutes = max(0, round((now - newest).total_seconds() / 60))
        params = {"minutes": minutes, "allowed": round(allowed.total_seconds() / 60)}
        if now - newest <= allowed:
            return Step(name="data", ok=True, said="doors.stands_live", params=params, at=row["last_seen"])
        # Something comes, but it is old: the clock or the backlog; nothing comes: the link.
        heard = now - row["last_seen"] <= allowed
        return Step(
            name="data",
            ok=False,
            said="doors.stands_old" if heard else "doors.stands_silent",
            params=params,
            repair="doors.repair_clock" if heard else "doors.repair_silent",
            at=row["last_seen"],
        )


def _failed(name: str, error: Error, repair: str) -> Step:
    return Step(name=name, ok=False, said=error.key, params=_few(error.params), repair=repair)


def _few(params: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value if isinstance(value, bool | int | float) or value is None else str(value)[:200]
        for name, value in list(params.items())[:10]
    }


def _preview(found: Mapped | None) -> tuple[Mapping[str, Any], ...]:
    if found is None:
        return ()
    readings = found.readings
    return tuple(
        {
            "entity": readings.keys[key].entity,
            "attribute": readings.keys[key].attribute,
            "value": float(readings.value[place]),
            "unit": readings.units[key],
            "at": from_micros(int(readings.observed_at[place])),
            "quality": QUALITY_WORDS[int(readings.quality[place])],
        }
        for place, key in enumerate(readings.key[:SHOWN].tolist())
    )

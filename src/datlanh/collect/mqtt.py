"""MQTT: messages of brokers, acknowledged only after the commit that made them durable.

One client a broker, with a persistent session (QoS 1, manual acknowledgement): while we are away the broker keeps
what it has not seen acknowledged, and sends it again. Messages are gathered into batches before they meet the
journal. What cannot be stored now is not acknowledged; since a broker sends only so many messages ahead of their
acknowledgements, that alone holds it back.

paho's network thread only puts messages into a bounded list; everything else happens in the event loop. The one
thing to know: an acknowledgement belongs to the connection its message came by. After a reconnect the broker sends
the rest again, and an old acknowledgement must not be taken for a new message with the same number.
"""

import asyncio
import random
import secrets
import socket
import ssl
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import msgspec
import paho.mqtt.client as paho
import structlog
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions
from prometheus_client import Counter, Gauge

from datlanh.collect.batch import Offer, Receipt
from datlanh.collect.guard import Guard, from_settings
from datlanh.collect.inbox import Inbox
from datlanh.collect.message import PAYLOAD_LIMIT, TOPIC_LIMIT, Topic, filters_of, frame, topic_of
from datlanh.collect.registry import Registry
from datlanh.collect.secret import path_of, reveal
from datlanh.kernel import Clock, Database, Lease, Settings, chaos, to_micros
from datlanh.kernel.space import leave
from datlanh.model.errors import BadInput, Error, Refused, Unavailable
from datlanh.model.source import Source

log = structlog.get_logger(__name__)

IN_FLIGHT: Final = 2_000  # messages that a broker may send before the first of them is acknowledged
HELD_MESSAGES: Final = 10_000
HELD_BYTES: Final = 64 * 2**20
BATCH_MESSAGES: Final = 1_000
BATCH_BYTES: Final = 4 * 2**20
GATHER_S: Final = 0.02
LOOK_EVERY_S: Final = 2.0
KEEP_ALIVE_S: Final = 30
SESSION_S: Final = 7 * 86_400
LONGEST_WAIT_S: Final = 60

MESSAGES = Counter("datlanh_mqtt_messages", "Messages of brokers, by what became of them.", ["outcome"])
CONNECTED = Gauge("datlanh_mqtt_connected", "Brokers to which we are connected.")
HELD = Gauge("datlanh_mqtt_held", "Messages that are not acknowledged yet.")


@dataclass(frozen=True, slots=True)
class Broker:
    """Where to connect, and as whom. Two sources with equal brokers share a connection."""

    host: str
    port: int
    tls: bool
    user: str = ""
    password: str = field(default="", repr=False)
    ca: str = ""

    @property
    def name(self) -> str:
        """How it is called in logs and in the database; without any secret."""
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.user + '@' if self.user else ''}{self.host}:{self.port}"


def broker_of(source: Source, settings: Settings) -> Broker:
    """The broker of a source: its own, else the one of the settings.

    An own one has to be among `allow_hosts`, for a declaration is written by people and a broker is usually
    inside; its password is a reference (`file:name`).
    """
    leave(settings, "mqtt")
    own = source.settings.get("broker")
    if not own:
        if not settings.mqtt_url:
            raise Refused("doors.no_broker")
        return _parse(settings.mqtt_url, "DATLANH_MQTT_URL")
    broker = _parse(str(own), "settings.broker")
    if broker.user or broker.password:
        raise BadInput("doors.broker_secret_in_url", where="settings.broker")
    guard: Guard = from_settings(settings)
    if not guard.names(broker.host, broker.port):
        raise Refused("doors.broker_not_allowed", host=broker.host, port=str(broker.port))
    password = source.settings.get("password")
    ca = source.settings.get("ca")
    return replace(
        broker,
        user=str(source.settings.get("user", "")),
        password=reveal(str(password), settings) if password else "",
        ca=str(path_of(str(ca), settings)) if ca else "",
    )


def _parse(url: str, where: str) -> Broker:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadInput("doors.broker_url", where=where) from None
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise BadInput("doors.broker_url", where=where)
    tls = parts.scheme == "mqtts"
    return Broker(
        parts.hostname,
        port or (8883 if tls else 1883),
        tls,
        unquote(parts.username or ""),
        unquote(parts.password or ""),
    )


@dataclass(slots=True)
class _Held:
    """A message that is not acknowledged yet."""

    topic: str
    payload: bytes
    at: datetime
    retained: bool
    mid: int
    qos: int
    turn: int  # of the connection it came by
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How it stands with a broker, for diagnostics."""

    broker: str
    connected: bool
    since: datetime | None
    said: str
    topics: tuple[str, ...]
    held: int
    taken: int


class Line:
    """The connection to one broker."""

    def __init__(self, broker: Broker, client_id: str, inbox: Inbox, clock: Clock) -> None:
        self.broker = broker
        self.topics: tuple[tuple[Topic, str], ...] = ()
        self._inbox = inbox
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._lock = threading.Lock()
        self._held: deque[_Held] = deque()
        self._held_bytes = 0
        self._storing = 0
        self._turn = 0
        self._full = False
        self._connected = False
        self._since: datetime | None = None
        self._said = ""
        self._taken = 0
        self._void_before = 0  # what came in earlier turns is sent again
        self._closed = False
        self._wanted: frozenset[str] = frozenset()
        self._forgotten: frozenset[str] = frozenset()
        self._subscribed: frozenset[str] = frozenset()
        self._client = self._make(client_id)

    def _make(self, client_id: str) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            manual_ack=True,
            reconnect_on_failure=True,
        )
        if self.broker.user:
            client.username_pw_set(self.broker.user, self.broker.password or None)
        if self.broker.tls:
            client.tls_set_context(ssl.create_default_context(cafile=self.broker.ca or None))
        # Many programs that come back at once must not knock at the same moment.
        client.reconnect_delay_set(min_delay=1 + secrets.randbelow(2), max_delay=LONGEST_WAIT_S)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_connect_fail = self._on_connect_fail
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        return client

    def open(self) -> None:
        """Begin to connect; comes back at once."""
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_S
        properties.ReceiveMaximum = IN_FLIGHT
        properties.MaximumPacketSize = PAYLOAD_LIMIT + 64 * 2**10
        self._client.connect_async(
            self.broker.host,
            self.broker.port,
            keepalive=KEEP_ALIVE_S,
            clean_start=False,
            properties=properties,
        )
        self._client.loop_start()

    async def close(self) -> None:
        """Leave; what is not acknowledged stays with the broker."""
        self._closed = True
        self._arrived.set()
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    def listen(self, topics: Sequence[tuple[Topic, str]], forget: Sequence[str]) -> None:
        """Listen to these topics for their sources, and no longer to the filters of `forget`."""
        self.topics = tuple(sorted(topics, key=lambda one: one[0].weight, reverse=True))
        with self._lock:
            self._wanted = filters_of(topic for topic, _ in topics)
            gone = (self._subscribed | self._forgotten | frozenset(forget)) - self._wanted
            self._forgotten = gone
            new = self._wanted - self._subscribed
            connected = self._connected
            if connected:
                self._subscribed = self._wanted
        if connected:
            if gone:
                self._client.unsubscribe(sorted(gone))
            self._subscribe(new)

    def state(self) -> State:
        """How it stands."""
        with self._lock:
            return State(
                broker=self.broker.name,
                connected=self._connected,
                since=self._since,
                said=self._said,
                topics=tuple(sorted(self._wanted)),
                held=len(self._held) + self._storing,
                taken=self._taken,
            )

    # -- in the network thread ---------------------------------------------------------------------------------

    def _subscribe(self, filters: frozenset[str]) -> None:
        if filters:
            # A retained message is an old one: shown once when we first listen, not at every reconnect.
            options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
            self._client.subscribe([(one, options) for one in sorted(filters)])

    def _on_connect(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        with self._lock:
            self._turn += 1
            self._connected = not reason.is_failure
            self._since = self._clock.now()
            self._said = "" if self._connected else str(reason)
            if flags.session_present:
                # The broker has kept what is not acknowledged and sends it again.
                self._void_before = self._turn
                self._held.clear()
                self._held_bytes = 0
            self._full = False
            wanted = self._subscribed = self._wanted
            gone = self._forgotten
        if reason.is_failure:
            log.warning("mqtt_refused", broker=self.broker.name, said=str(reason))
            return
        log.info("mqtt_connected", broker=self.broker.name, session=bool(flags.session_present))
        if gone:
            self._client.unsubscribe(sorted(gone))
        self._subscribe(wanted)

    def _on_disconnect(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        with self._lock:
            self._connected = False
            self._since = self._clock.now()
            self._said = str(reason)
            self._turn += 1
        log.warning("mqtt_disconnected", broker=self.broker.name, said=str(reason))

    def _on_connect_fail(self, client: Any, data: Any) -> None:
        with self._lock:
            self._connected = False
            self._said = "unreachable"

    def _on_subscribe(self, client: Any, data: Any, mid: int, reasons: Any, properties: Any) -> None:
        failed = [str(reason) for reason in reasons if reason.is_failure]
        if failed:
            with self._lock:
                self._said = ", ".join(sorted(set(failed)))
            log.error("mqtt_subscription_refused", broker=self.broker.name, said=failed)

    def _on_message(self, client: Any, data: Any, message: Any) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        held = _Held(topic, message.payload, self._clock.now(), message.retain, message.mid, message.qos, 0)
        with self._lock:
            if self._full:
                return
            if len(self._held) >= HELD_MESSAGES or self._held_bytes + len(held.payload) > HELD_BYTES:
                # A broker that does not know how to wait: we hang up, and it keeps what it has.
                self._full = True
                self._said = "full"
            else:
                held.turn = self._turn
                self._held.append(held)
                self._held_bytes += len(held.payload)
        self._loop.call_soon_threadsafe(self._arrived.set)

    # -- in the event loop -------------------------------------------------------------------------------------

    async def store(self, stop: asyncio.Event) -> None:
        """Bring messages into the journal and acknowledge them, until stopped."""
        wait = 0.5
        while not (stop.is_set() or self._closed):
            try:
                async with asyncio.timeout(1):
                    await self._arrived.wait()
            except TimeoutError:
                continue
            self._arrived.clear()
            if len(self._held) < BATCH_MESSAGES // 4:
                await asyncio.sleep(GATHER_S)
            if self._full:
                self._hang_up()
            while not stop.is_set() and (batch := self._next()):
                left = await self._store(batch)
                if not left:
                    wait = 0.5
                    continue
                # Not stored, so not acknowledged: held until it can be, unless the connection went meanwhile.
                self._put_back(left)
                await asyncio.sleep(wait * (0.75 + random.random() / 2))
                wait = min(wait * 2, 10)

    def _hang_up(self) -> None:
        log.warning("mqtt_overrun", broker=self.broker.name)
        line = self._client.socket()
        try:
            if isinstance(line, socket.socket):
                line.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has hung up already

    def _next(self) -> list[_Held]:
        batch: list[_Held] = []
        size = 0
        with self._lock:
            while self._held and len(batch) < BATCH_MESSAGES and size < BATCH_BYTES:
                held = self._held.popleft()
                size += len(held.payload)
                self._held_bytes -= len(held.payload)
                batch.append(held)
            self._storing = len(batch)
            HELD.set(len(self._held) + len(batch))
        return batch

    def _put_back(self, left: Sequence[_Held]) -> None:
        with self._lock:
            still = [held for held in left if held.turn >= self._void_before]
            self._held.extendleft(reversed(still))
            self._held_bytes += sum(len(held.payload) for held in still)
            self._storing = 0
        self._arrived.set()

    async def _store(self, batch: list[_Held]) -> list[_Held]:
        """Store a batch by its sources and acknowledge what is durable; gives back what is not."""
        by_source: dict[str, list[_Held]] = {}
        for held in batch:
            held.source = self._whose(held.topic)
            if held.source:
                by_source.setdefault(held.source, []).append(held)
            else:
                MESSAGES.labels("nobodys").inc()
                log.warning("mqtt_nobodys", broker=self.broker.name, topic=held.topic[:200])
        offers = [self._offer(source, messages) for source, messages in by_source.items()]
        results = await self._inbox.accept_many(offers) if offers else []
        done: set[int] = set()
        for messages, result in zip(by_source.values(), results, strict=True):
            if isinstance(result, Receipt):
                MESSAGES.labels("taken").inc(len(messages))
                self._taken += len(messages)
            elif isinstance(result, Unavailable) or len(messages) > 1:
                left = messages if isinstance(result, Unavailable) else await self._one_by_one(messages)
                done.update(id(held) for held in left)
                continue
            else:
                self._give_up(messages[0], result)
        left = [held for held in batch if id(held) in done]
        chaos.point("mqtt.before_ack")
        # In the order in which they came, as the protocol wants it.
        for held in batch:
            if id(held) not in done and held.qos == 1 and held.turn == self._turn:
                self._client.ack(held.mid, held.qos)
        chaos.point("mqtt.acked")
        return left

    async def _one_by_one(self, messages: Sequence[_Held]) -> list[_Held]:
        """Something in a batch cannot be stored, ever: find it, so that it stops no other."""
        results = await self._inbox.accept_many([self._offer(held.source, [held]) for held in messages])
        left: list[_Held] = []
        for held, result in zip(messages, results, strict=True):
            if isinstance(result, Unavailable):
                left.append(held)
            elif isinstance(result, Error):
                self._give_up(held, result)
            else:
                MESSAGES.labels("taken").inc()
                self._taken += 1
        return left

    def _give_up(self, held: _Held, error: Error) -> None:
        MESSAGES.labels("not_storable").inc()
        log.error("mqtt_not_storable", broker=self.broker.name, topic=held.topic[:200], error=str(error))

    def _offer(self, source: str, messages: Sequence[_Held]) -> Offer:
        lines = [frame(held.topic, held.payload, to_micros(held.at), held.retained) for held in messages]
        meta = {"broker": self.broker.name}
        return Offer(source=source, codec="mqtt", body=b"\n".join(lines), items=len(lines), meta=meta)

    def _whose(self, topic: str) -> str:
        if not topic or len(topic) > TOPIC_LIMIT:
            return ""
        return next((source for known, source in self.topics if known.names(topic) is not None), "")


@dataclass(frozen=True, slots=True)
class Probe:
    """What a trial of a broker found: how far it came, what was said, and the first message if there was one."""

    connected: bool
    subscribed: bool
    said: str
    topic: str = ""
    payload: bytes | None = None


def probe(broker: Broker, topic: Topic, *, wait_s: float = 3.0) -> Probe:
    """Try a broker as a stranger of one visit: connect, subscribe, listen a little. Blocks; for a thread."""
    found: dict[str, Any] = {"connected": False, "subscribed": False, "said": ""}
    done = threading.Event()
    client = paho.Client(
        CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5, reconnect_on_failure=False
    )

    def on_connect(client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        found["connected"] = not reason.is_failure
        if reason.is_failure:
            found["said"] = str(reason)
            done.set()
        else:
            client.subscribe(topic.filter, qos=1)

    def on_subscribe(client: Any, data: Any, mid: int, reasons: Any, properties: Any) -> None:
        found["subscribed"] = not any(reason.is_failure for reason in reasons)
        if not found["subscribed"]:
            found["said"] = ", ".join(str(reason) for reason in reasons)
            done.set()

    def on_message(client: Any, data: Any, message: Any) -> None:
        if "payload" not in found and topic.names(message.topic) is not None:
            found.update(topic=message.topic, payload=message.payload[:PAYLOAD_LIMIT])
            done.set()

    client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
    if broker.user:
        client.username_pw_set(broker.user, broker.password or None)
    if broker.tls:
        client.tls_set_context(ssl.create_default_context(cafile=broker.ca or None))
    client.connect_timeout = 5.0
    try:
        client.connect(broker.host, broker.port, keepalive=10)
    except (OSError, ValueError) as error:
        return Probe(False, False, f"{type(error).__name__}: {error}"[:200])
    client.loop_start()
    done.wait(wait_s)
    client.disconnect()
    client.loop_stop()
    return Probe(**found)


class Mqtt:
    """All brokers that sources speak of; one program at a time has the duty."""

    def __init__(
        self, database: Database, clock: Clock, settings: Settings, inbox: Inbox, registry: Registry
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._inbox = inbox
        self._registry = registry
        self._lines: dict[Broker, Line] = {}
        self.troubles: dict[str, Error] = {}
        self._told: dict[str, tuple[bool, str, tuple[str, ...]]] = {}

    def states(self) -> list[State]:
        """How it stands with each broker."""
        return [line.state() for line in self._lines.values()]

    async def run(self, stop: asyncio.Event) -> None:
        """Listen, as long as we hold the lease, until stopped."""
        lease = Lease(self._database, "collect mqtt")
        try:
            async with asyncio.TaskGroup() as tasks:
                while not stop.is_set():
                    if await lease.hold():
                        await self._look(tasks, stop)
                    else:
                        await self._close(list(self._lines))
                    try:
                        async with asyncio.timeout(LOOK_EVERY_S):
                            await stop.wait()
                    except TimeoutError:
                        continue
                await self._close(list(self._lines))
        finally:
            await lease.release()

    async def _look(self, tasks: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        """Open and close lines as the declarations of sources say now."""
        try:
            sources = await self._registry.all()
        except Unavailable:
            return
        wanted: dict[Broker, list[tuple[Topic, str]]] = {}
        self.troubles = {}
        for source in sources.values():
            if source.protocol != "mqtt" or not source.enabled:
                continue
            try:
                topic = topic_of(source.settings.get("topic"))
                wanted.setdefault(broker_of(source, self._settings), []).append((topic, source.id))
            except Error as error:
                self.troubles[source.id] = error
        await self._close([broker for broker in self._lines if broker not in wanted])
        for broker, topics in wanted.items():
            line = self._lines.get(broker)
            filters = sorted(filters_of(topic for topic, _ in topics))
            if line is None:
                client_id, before = await self._session(broker, filters)
                line = self._lines[broker] = Line(broker, client_id, self._inbox, self._clock)
                line.listen(topics, before)
                line.open()
                tasks.create_task(line.store(stop), name=f"mqtt {broker.name}")
            elif tuple(sorted(topics, key=lambda one: one[0].weight, reverse=True)) != line.topics:
                _, before = await self._session(broker, filters)
                line.listen(topics, before)
        states = self.states()
        CONNECTED.set(sum(state.connected for state in states))
        await self._tell(states)

    async def _close(self, brokers: Sequence[Broker]) -> None:
        for broker in brokers:
            await self._lines.pop(broker).close()

    async def _tell(self, states: Sequence[State]) -> None:
        """Write down how it stands, for whoever asks in another program; only when that has changed."""
        now = {state.broker: (state.connected, state.said, state.topics) for state in states}
        if now == self._told:
            return
        async with self._database.transaction() as tx:
            for state in states:
                told = msgspec.json.encode(
                    {
                        "connected": state.connected,
                        "said": state.said,
                        "since": state.since,
                        "topics": state.topics,
                    }
                )
                await tx.run(
                    "UPDATE collect.mqtt_session SET state = %(state)s::jsonb, changed_at = %(now)s"
                    " WHERE broker = %(broker)s",
                    {"broker": state.broker, "state": told.decode(), "now": self._clock.now()},
                )
        self._told = now

    async def _session(self, broker: Broker, filters: Sequence[str]) -> tuple[str, list[str]]:
        """Our name with a broker, which has to stay the same for it to keep our session, and what we listened to."""
        async with self._database.transaction() as tx:
            row: Mapping[str, Any] | None = await tx.one(
                "SELECT client_id, filters FROM collect.mqtt_session WHERE broker = %(broker)s FOR UPDATE",
                {"broker": broker.name},
            )
            client_id = row["client_id"] if row else f"datlanh-{secrets.token_hex(6)}"
            await tx.run(
                "INSERT INTO collect.mqtt_session (broker, client_id, filters)"
                " VALUES (%(broker)s, %(client_id)s, %(filters)s)"
                " ON CONFLICT (broker) DO UPDATE SET filters = excluded.filters",
                {"broker": broker.name, "client_id": client_id, "filters": list(filters)},
            )
        return client_id, list(row["filters"]) if row else []

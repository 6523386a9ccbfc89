"""People on a real database: signing in, what ends a session, keys, and the audit chain."""

import asyncio
from datetime import date, timedelta

import psycopg
import pytest

from datlanh.kernel import Database, HeldClock, Settings
from datlanh.model.errors import BadInput, Conflict, NotAllowed, Refused, TooMuch
from datlanh.model.person import PersonId, system
from datlanh.people import Head, People
from datlanh.people.account import Passwords

SETUP = system("test")
GOOD = "đất lành chim đậu"


@pytest.fixture
def people(db: Database, clock: HeldClock, settings: Settings) -> People:
    return People(db, clock, settings, passwords=Passwords(memory_kib=64, passes=1))


async def an_officer(people: People, account: str = "an", role: str = "duty_officer") -> PersonId:
    person = await people.add_person(name="Nguyễn Văn An", account_name=account, password=GOOD, by=SETUP)
    await people.grant(person, role, SETUP)
    return person


async def test_who_signs_in_gets_a_session_with_what_they_may_do(people: People) -> None:
    await an_officer(people)
    signed_in = await people.sign_in("An ", GOOD, "10.0.0.7", "Firefox")
    caller = await people.session(signed_in.token)
    assert caller is not None
    assert caller.name == "Nguyễn Văn An"
    assert caller.roles == ("duty_officer",)
    assert caller.may("alarm.acknowledge")
    assert not caller.may("person.edit")
    assert people.csrf_fits(caller, signed_in.csrf)
    assert not people.csrf_fits(caller, "x" * 43)
    assert not people.csrf_fits(caller, None)


async def test_a_wrong_name_is_told_like_a_wrong_password(people: People) -> None:
    await an_officer(people)
    told = []
    for name, password in (("an", "wrong password"), ("nobody", "wrong password"), ("an", "x" * 5000)):
        with pytest.raises(NotAllowed) as error:
            await people.sign_in(name, password, "10.0.0.7")
        told.append((error.value.key, error.value.params))
    assert told == [("people.wrong_name_or_password", {})] * 3


async def test_the_password_is_not_in_the_database(people: People, db: Database) -> None:
    await an_officer(people)
    signed_in = await people.sign_in("an", GOOD, "10.0.0.7")
    async with db.read() as tx:
        kept = str(await tx.all("SELECT * FROM people.person")) + str(
            await tx.all("SELECT * FROM people.session")
        )
    assert GOOD not in kept
    assert signed_in.token not in kept
    assert "$argon2id$" in kept


async def test_guessing_one_account_has_to_wait_and_known_and_unknown_names_wait_alike(
    people: People, clock: HeldClock
) -> None:
    await an_officer(people)
    for name in ("an", "nobody"):
        for _ in range(5):
            with pytest.raises(NotAllowed):
                await people.sign_in(name, "wrong password", "10.0.0.7")
        with pytest.raises(TooMuch) as error:
            await people.sign_in(name, GOOD, "10.0.0.7")
        assert error.value.params["retry_after"] == 61
    # The owner of the account, elsewhere, is not locked out with the guesser.
    await people.sign_in("an", GOOD, "10.0.0.8")
    clock.advance(timedelta(minutes=5))
    await people.sign_in("an", GOOD, "10.0.0.7")


async def test_guessing_many_accounts_from_one_address_has_to_wait(people: People) -> None:
    refused = 0
    for n in range(70):
        with pytest.raises((NotAllowed, TooMuch)) as error:
            await people.sign_in(f"name{n}", "wrong password", "2001:db8::" + hex(n)[2:])
        refused += isinstance(error.value, TooMuch)
    assert refused == 10


async def test_a_session_runs_out(people: People, clock: HeldClock) -> None:
    await an_officer(people)
    signed_in = await people.sign_in("an", GOOD, "10.0.0.7")
    clock.advance(timedelta(hours=11, minutes=59))
    assert await people.session(signed_in.token) is not None
    clock.advance(timedelta(minutes=2))
    assert await people.session(signed_in.token) is None


async def test_signing_out_ends_one_session_and_revoking_ends_all(people: People) -> None:
    person = await an_officer(people)
    tokens = [(await people.sign_in("an", GOOD, "10.0.0.7")).token for _ in range(3)]
    await people.sign_out(tokens[0])
    assert [await people.session(t) is not None for t in tokens] == [False, True, True]
    assert await people.revoke_sessions(person, SETUP) == 2
    assert [await people.session(t) is not None for t in tokens] == [False, False, False]


async def test_all_sessions_of_a_disabled_account_die_and_stay_dead(people: People) -> None:
    person = await an_officer(people)
    token = (await people.sign_in("an", GOOD, "10.0.0.7")).token
    await people.disable(person, SETUP)
    assert await people.session(token) is None
    with pytest.raises(NotAllowed):
        await people.sign_in("an", GOOD, "10.0.0.7")
    await people.enable(person, SETUP)
    assert await people.session(token) is None
    await people.sign_in("an", GOOD, "10.0.0.7")


async def test_another_password_ends_the_other_sessions(people: People) -> None:
    person = await an_officer(people)
    here = await people.sign_in("an", GOOD, "10.0.0.7")
    there = await people.sign_in("an", GOOD, "10.0.0.8")
    caller = await people.session(here.token)
    assert caller is not None
    await people.change_password(person, "another long password", caller)
    assert await people.session(here.token) is not None
    assert await people.session(there.token) is None
    with pytest.raises(NotAllowed):
        await people.sign_in("an", GOOD, "10.0.0.7")


async def test_a_taken_account_is_a_conflict_however_it_is_written(people: People) -> None:
    await an_officer(people, "nguyễn.an")
    with pytest.raises(Conflict):
        await an_officer(people, "NGUYEN.AN")


async def test_a_short_password_is_refused(people: People) -> None:
    with pytest.raises(BadInput):
        await people.add_person(name="Bình", account_name="binh", password="ngắn quá", by=SETUP)


async def test_a_grant_that_has_ended_allows_nothing_from_that_day(people: People, clock: HeldClock) -> None:
    person = await an_officer(people)
    token = (await people.sign_in("an", GOOD, "10.0.0.7")).token
    (grant,) = await people.grants(person)
    await people.end_grant(grant.id, SETUP, until=people.today() + timedelta(days=1))
    caller = await people.session(token)
    assert caller is not None and caller.may("alarm.read")
    clock.advance(timedelta(hours=10))  # past midnight in the province
    caller = await people.session(token)
    assert caller is not None and not caller.may("alarm.read") and caller.roles == ()


async def test_a_key_speaks_for_its_sources_only_until_it_is_revoked(
    people: People, clock: HeldClock
) -> None:
    issued = await people.issue_key(
        name="VSIP II",
        permissions=["readings.push"],
        sources=["vsip2"],
        by=SETUP,
        expires_at=clock.now() + timedelta(days=30),
    )
    caller = await people.key(issued.whole)
    assert caller is not None and caller.may("readings.push") and not caller.may("ngsild.write")
    assert caller.speaks_for("vsip2") and not caller.speaks_for("vsip1") and caller.source == "vsip2"
    assert await people.key(issued.whole[:-1] + ("A" if issued.whole[-1] != "A" else "B")) is None
    assert await people.key("dlk_0000000000_x") is None
    assert await people.key("something else") is None
    clock.advance(timedelta(days=31))
    assert await people.key(issued.whole) is None


async def test_a_revoked_key_is_dead_here_at_once_and_elsewhere_within_two_seconds(
    people: People, db: Database, clock: HeldClock, settings: Settings
) -> None:
    elsewhere = People(db, clock, settings)
    issued = await people.issue_key(name="Trạm 1", permissions=["readings.push"], by=SETUP)
    assert await people.key(issued.whole) is not None
    assert await elsewhere.key(issued.whole) is not None
    await people.revoke_key(issued.prefix, SETUP)
    assert await people.key(issued.whole) is None
    clock.advance(timedelta(seconds=2))
    assert await elsewhere.key(issued.whole) is None


async def test_a_key_may_not_act_like_a_person(people: People) -> None:
    with pytest.raises(Refused):
        await people.issue_key(name="x", permissions=["alarm.close"], by=SETUP)
    with pytest.raises(BadInput):
        await people.issue_key(name="x", permissions=["made.up"], by=SETUP)


async def test_every_deed_is_in_the_audit_log_and_its_chain_holds(people: People) -> None:
    person = await an_officer(people)
    await people.sign_in("an", GOOD, "10.0.0.7")
    told = await people.audit_entries(subject=f"person:{person}")
    assert [entry.action for entry in told] == ["session.began", "role.granted", "person.added"]
    verdict = await people.verify_audit()
    assert verdict.good and verdict.entries == 3
    assert verdict.head == await people.audit_head()


async def many_entries(people: People, db: Database, count: int) -> None:
    async with db.transaction() as tx:
        for n in range(count):
            await people.record(tx, SETUP, "test.did", f"thing:{n}", {"n": n, "tên": "Đất Lành"})


async def test_the_database_refuses_to_change_the_audit_log(people: People, db: Database) -> None:
    await many_entries(people, db, 3)
    for sql in ("UPDATE people.audit SET entry = '{}'", "DELETE FROM people.audit", "TRUNCATE people.audit"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with db.transaction() as tx:
                await tx.run(sql)


@pytest.mark.parametrize(
    ("tampering", "bad", "reason"),
    [
        (
            "UPDATE people.audit SET entry = replace(entry, 'thing:4', 'thing:9') WHERE seq = 5",
            5,
            "people.audit_changed",
        ),
        ("DELETE FROM people.audit WHERE seq = 5", 5, "people.audit_missing"),
        ("DELETE FROM people.audit WHERE seq = 10", 10, "people.audit_cut"),
        ("UPDATE people.audit SET hash = decode('00', 'hex') WHERE seq = 5", 5, "people.audit_changed"),
    ],
)
async def test_tampering_behind_the_databases_back_is_found_at_the_first_bad_entry(
    people: People, db: Database, tampering: str, bad: int, reason: str
) -> None:
    await many_entries(people, db, 10)
    async with db.transaction() as tx:
        await tx.run("ALTER TABLE people.audit DISABLE TRIGGER ALL")
        await tx.run(tampering)
    verdict = await people.verify_audit()
    assert (verdict.bad, verdict.reason) == (bad, reason)


async def test_a_log_rewritten_whole_is_found_by_a_head_kept_elsewhere(people: People, db: Database) -> None:
    await many_entries(people, db, 5)
    kept = Head.read(str(await people.audit_head()))
    async with db.transaction() as tx:
        await tx.run("ALTER TABLE people.audit DISABLE TRIGGER ALL")
        await tx.run("DELETE FROM people.audit")
        await tx.run("UPDATE people.audit_head SET seq = 0, hash = ''")
    await many_entries(people, db, 4)
    assert (await people.verify_audit()).good
    assert (await people.verify_audit(kept)).reason == "people.audit_cut"
    await many_entries(people, db, 3)
    assert (await people.verify_audit(kept)).good is False


async def test_text_that_json_or_postgresql_would_not_take_is_still_recorded(
    people: People, db: Database
) -> None:
    async with db.transaction() as tx:
        await people.record(tx, SETUP, "test.did", "thing\x00:1", {"odd": "a\x00b \u2028 \\u0000 😀"})
        await people.record(
            tx, SETUP, "test.did", "thing:2", {"large": "x" * 100_000, "day": date(2025, 7, 1)}
        )
    assert (await people.verify_audit()).good
    assert (await people.audit_entries())[0].detail["cut"] is True


async def test_guesses_made_all_at_once_do_not_slip_through_together(people: People) -> None:
    await an_officer(people)

    async def guess() -> bool:
        try:
            await people.sign_in("an", "wrong password", "10.0.0.7")
        except NotAllowed:
            return True
        except TooMuch:
            return False
        raise AssertionError

    assert sum(await asyncio.gather(*(guess() for _ in range(30)))) == 5


async def test_entries_written_side_by_side_make_one_chain(people: People, db: Database) -> None:
    async def deed(n: int) -> None:
        async with db.transaction() as tx:
            await people.record(tx, SETUP, "test.did", f"thing:{n}", {"n": n})
            if n % 5 == 0:
                raise Conflict("people.account_taken", account="x")

    await asyncio.gather(*(deed(n) for n in range(40)), return_exceptions=True)
    verdict = await people.verify_audit()
    assert verdict.good and verdict.entries == 32
    told = await people.audit_entries(limit=1000)
    assert sorted(e.detail["n"] for e in told) == [n for n in range(40) if n % 5]
    assert [e.seq for e in told] == list(range(32, 0, -1))

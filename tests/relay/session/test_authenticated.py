"""Sessions whose consumer is the person: known to the agent, and with one conversation."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bridge.config import AccountSettings
from bridge.ids import UserId
from bridge.liveperson import identity as idp
from bridge.liveperson.identity import Credentials
from bridge.liveperson.signing import public_line
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.openers import Openers
from bridge.state import State
from bridge.store.database import open_database
from lp_sandbox.liveperson.signed import seen_of
from tests import keys
from tests.relay.bench import ACCOUNT, ANA, TEAM, Bench
from tests.relay.session.acting import acting

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

OPEN = "cm.ConsumerRequestConversation"


def signing(bench: Bench, path: Path, **settings: Any) -> SessionDeps:
    """The dependencies where the account is authenticated, by the key in this file."""
    told = {"auth": "authenticated", "issuer": keys.ISSUER, "private_key": str(path), **settings}
    account = AccountSettings(number=ACCOUNT, **told)
    return bench.configured(accounts={ACCOUNT: account})


@pytest.fixture
def deps(bench: Bench, tmp_path: Path) -> SessionDeps:
    keys.trusting(bench.liveperson, ACCOUNT)
    return signing(bench, keys.key_file(tmp_path))


def seen(bench: Bench, consumer: str) -> dict[str, Any]:
    """What agents see of a consumer."""
    ums = bench.liveperson._ums
    return seen_of(ums.profiles.get(consumer, {}), ums.people.get(consumer))


async def test_the_agent_sees_who_writes_and_from_where(bench: Bench, deps: SessionDeps) -> None:
    async with acting(bench, deps=deps) as it:
        conversation = await it.talking()
        profile = seen(bench, conversation.consumer_id)
        assert (profile["firstName"], profile["lastName"]) == ("Ana", "Ruiz")
        assert profile["avatarUrl"].startswith("https://avatars.slack-edge.com/")
        assert profile["description"] == "Writes from Slack (Sandbox)."
        by_type = {each["type"]: each for each in profile["authenticatedData"]["lp_sdes"]}
        assert by_type["ctmrinfo"]["info"] == {
            "customerId": f"{TEAM}-{ANA}",
            "userName": "Ana",
            "accountName": "Sandbox",
        }
        assert by_type["personal"]["personal"] == {
            "firstname": "Ana",
            "lastname": "Ruiz",
            "company": "Sandbox",
        }, "no address: the scope for it is not granted"


async def test_the_address_is_told_where_slack_tells_it(bench: Bench, deps: SessionDeps) -> None:
    app = bench.slack.workspace.app
    bench.slack.workspace.app = type(app)(scopes=app.scopes | {"users:read.email"})
    profile = await deps.openers.profile(TEAM, ANA)
    assert profile.email == "ana@sandbox.example"


async def test_whoever_signs_up_is_introduced_too(bench: Bench) -> None:
    async with acting(bench) as it:
        conversation = await it.talking()
        assert seen(bench, conversation.consumer_id)["firstName"] == "Ana"


async def test_a_profile_that_is_refused_keeps_nobody_from_talking(bench: Bench) -> None:
    bench.liveperson.faults.refuse_request("userprofile.SetUserProfile", 400)
    async with acting(bench) as it:
        await it.talking()


async def test_the_context_comes_from_the_configuration(bench: Bench) -> None:
    routing = {"skill": "1002", "campaign": "7", "engagement": "8", "lang": "en-US"}
    account = AccountSettings(number=ACCOUNT, **routing)  # type: ignore[arg-type]
    async with acting(bench, deps=bench.configured(accounts={ACCOUNT: account})) as it:
        conversation = await it.talking()
        assert conversation.skill_id == "1002"
        assert conversation.campaign == {"campaignId": "7", "engagementId": "8"}
        assert conversation.context == {"type": "SharkContext", "lang": "en-US"}


async def test_a_person_is_one_consumer_whatever_keys_are_replaced(
    bench: Bench, deps: SessionDeps, tmp_path: Path
) -> None:
    async with acting(bench, deps=deps) as it:
        first = (await it.talking()).consumer_id
        await bench.liveperson.end((await it.talking()).id)
        await it.over()
    keys.trusting(bench.liveperson, ACCOUNT, public_key=public_line(keys.key("the next")))
    (tmp_path / "liveperson.pem").write_text(keys.pem(keys.key("the next")))
    fresh = Openers(bench.database, deps.names, deps.workspaces)  # as after a restart
    assert await fresh.subject(TEAM, ANA) == await deps.openers.subject(TEAM, ANA)
    async with acting(bench, await bench.session(), deps=deps) as it:
        assert (await it.talking()).consumer_id == first


async def test_subjects_can_be_guessed_by_nobody(bench: Bench, deps: SessionDeps) -> None:
    subject = await deps.openers.subject(TEAM, ANA)
    assert subject == await deps.openers.subject(TEAM, ANA)
    assert len(subject) == 64
    assert ANA not in subject
    assert subject != await deps.openers.subject(TEAM, UserId("U0BEN"))
    assert subject != await deps.openers.subject(type(TEAM)("T2"), ANA)


async def test_subjects_survive_new_encryption_keys(database_url: str, encryption_key: str) -> None:
    """The old key is not needed any more once the bridge has used the new one."""
    found = []
    newer = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
    for ring in ([encryption_key], [newer, encryption_key], [newer]):
        async with open_database(database_url, keys=ring) as database:
            await database.check()
            openers = Openers(database, None, None)  # type: ignore[arg-type]  # neither is asked
            found.append(await openers.subject(TEAM, ANA))
    assert len(set(found)) == 1


async def test_workers_that_begin_at_once_agree_on_subjects(
    bench: Bench, deps: SessionDeps
) -> None:
    several = [Openers(bench.database, deps.names, deps.workspaces) for _ in range(5)]
    found = await asyncio.gather(*(each.subject(TEAM, ANA) for each in several))
    assert len(set(found)) == 1


# One conversation


async def test_a_conversation_that_was_begun_elsewhere_goes_on_here(
    bench: Bench, deps: SessionDeps
) -> None:
    """Another device, or a session that has failed: LivePerson opens no second one."""
    async with acting(bench, deps=deps) as it:
        conversation = await it.talking()
        await it.says("before")
        await bench.until(lambda: bench.said(conversation.id) == ["before"])
        await bench.liveperson.say(conversation.id, "an answer")
        await it.shows("an answer")
    await bench.change(it.row, live=False, state="failed")
    async with acting(bench, await bench.session(), deps=deps) as it:
        await it.shows("goes on here")
        await it.shows("an answer")
        await it.shows("joined")
        assert it.row.conversation_id == conversation.id
        assert it.row.state == State.ACTIVE
        await it.says("after")
        await bench.until(lambda: bench.said(conversation.id) == ["before", "after"])
    assert len(bench.asked(OPEN)) == 1


async def test_what_is_left_of_a_talk_that_is_over_makes_way(
    bench: Bench, deps: SessionDeps
) -> None:
    async with acting(bench, deps=deps) as it:
        conversation = await it.talking()
        await bench.liveperson.close_main(conversation.id)
    async with acting(bench, await bench.session(), deps=deps) as it:
        fresh = await it.talking()
        assert fresh.id != conversation.id
        assert conversation.stage == "CLOSE"
        assert not any("goes on here" in text for text in it.replies)


async def test_an_older_conversation_that_is_closed_is_nobodys_answer(
    bench: Bench, deps: SessionDeps
) -> None:
    """The request is lost before LivePerson has it; yesterday's talk must not count as its work."""
    async with acting(bench, deps=deps) as it:
        before = await it.talking()
        before.started_at -= 3_600_000
        await bench.liveperson.end(before.id)
        await it.over()
    bench.liveperson.faults.drop_before(OPEN)
    async with acting(bench, await bench.session(), deps=deps) as it:
        fresh = await it.talking()
        assert fresh.id != before.id


async def test_a_request_whose_answer_was_lost_is_found_again(
    bench: Bench, deps: SessionDeps
) -> None:
    bench.liveperson.faults.swallow_answer(OPEN, drop=True)
    async with acting(bench, deps=deps) as it:
        await it.talking()
        assert len(bench.asked(OPEN)) == 1


# Trouble


@pytest.mark.parametrize("failure", ["500", "401"])
async def test_a_key_that_liveperson_does_not_know_is_named_and_not_tried_for_ever(
    bench: Bench, deps: SessionDeps, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    monkeypatch.setattr(idp, "THROTTLE_WAIT", 0.01)
    wrong = public_line(keys.key("another's"))
    keys.trusting(bench.liveperson, ACCOUNT, public_key=wrong, failure=failure)
    async with acting(bench, deps=deps) as it:
        await it.over()
        assert (await it.stored()).state == State.FAILED
        assert "error 9007" in it.replies[-1]
        assert "could not go on" in it.replies[-1]
        assert "does not answer" not in " ".join(it.replies)
    tried = sum("authenticate" in entry.title for entry in bench.wire.entries())
    assert tried // 2 == (3 if failure == "500" else 1)


async def test_a_key_that_becomes_wrong_is_borne_while_there_is_a_conversation(
    bench: Bench, deps: SessionDeps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody may set it right; the person is told meanwhile."""
    monkeypatch.setattr(idp, "THROTTLE_WAIT", 0.01)
    async with acting(bench, deps=deps) as it:
        conversation = await it.talking()
        wrong = public_line(keys.key("another's"))
        keys.trusting(bench.liveperson, ACCOUNT, public_key=wrong)
        bench.liveperson.faults.expire_tokens()
        await it.shows("was lost")
        keys.trusting(bench.liveperson, ACCOUNT)
        await it.says("still here")
        await bench.until(lambda: bench.said(conversation.id) == ["still here"])


async def test_a_missing_key_is_told_at_once(bench: Bench, tmp_path: Path) -> None:
    keys.trusting(bench.liveperson, ACCOUNT)
    async with acting(bench, deps=signing(bench, tmp_path / "nowhere.pem")) as it:
        await it.over()
        assert (await it.stored()).state == State.FAILED
        assert "no key that works" in it.replies[-1]
        assert "nowhere" not in it.replies[-1]


# Tokens


async def test_an_account_that_signs_no_more_loses_its_consumers(
    bench: Bench, deps: SessionDeps
) -> None:
    """The key is what proves that it is the same person."""
    async with acting(bench, deps=deps) as it:
        await it.talking()
        held = Credentials.from_json(it.row.credentials or "")
        it.row.credentials = msgspec.structs.replace(held, connector=None).to_json()
        bench.liveperson.faults.expire_tokens()
        await it.over()
        assert "Start again" in it.replies[-1]

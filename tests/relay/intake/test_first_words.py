"""The first message that a command gives: read, stored with its session, sent once, and shown."""

from __future__ import annotations

import pytest

from bridge.config import AccountSettings
from bridge.ids import ChannelId, MessageTs, SessionId, TeamId, UserId
from bridge.relay.intake.first_words import meant
from bridge.relay.intake.overviews import Overviews
from bridge.relay.shared import first
from bridge.slack.port import Connecting, DirectMessage, Quoted, Refused
from bridge.state import State
from tests.e2e.world import BEN, World, said
from tests.relay.bench import ACCOUNT, ANA, CHANNEL, TEAM, Bench
from tests.relay.counter import Counter, counter_of, not_running, typed

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

ACCOUNTS = {
    "1": AccountSettings(number="1", name="Big Bank", alias="bank"),
    "2": AccountSettings(number="2", name="Big Bank North", alias="north"),
    "3": AccountSettings(number="3", name="Twin"),
    "4": AccountSettings(number="4", name="twin"),
}


# Which words are the target


@pytest.mark.parametrize(
    ("target", "rest", "readings", "found"),
    [
        ("bank", "hello you", (("bank hello", "you"),), ("bank", "hello you")),
        (
            "Big",
            "bank hello",
            (("Big bank hello", ""), ("Big bank", "hello")),
            ("Big bank", "hello"),
        ),
        (
            "big",
            "bank north hi",
            (("big bank north", "hi"), ("big bank", "north hi")),
            ("big bank north", "hi"),
        ),
        ("Nobody", "knows this", (("Nobody knows", "this"),), ("Nobody", "knows this")),
        ("12345678", "5 is late", (("12345678 5", "is late"),), ("12345678", "5 is late")),
        ("1234", "5678", (("1234 5678", ""),), ("1234 5678", None)),
        ("1234", "56-78", (("1234 56-78", ""),), ("1234 56-78", None)),
        ("bank", None, (), ("bank", None)),
    ],
)
def test_the_longest_known_name_is_the_target(
    bench: Bench,
    target: str,
    rest: str | None,
    readings: tuple[tuple[str, str], ...],
    found: tuple[str, str | None],
) -> None:
    settings = bench.configured(accounts=ACCOUNTS).settings
    command = meant(settings, typed(target, first=rest, readings=readings))
    assert (command.target, command.first) == found


async def test_a_name_stands_for_its_account_unless_two_have_it(bench: Bench) -> None:
    counter = await not_running(counter_of(bench, accounts=ACCOUNTS))
    answer = await counter.service.connect(typed("big  BANK"))
    assert isinstance(answer, Connecting)
    assert (await bench.stored(answer.session)).account == "1"
    refused = await counter.service.connect(typed("Twin", key="2"))
    assert isinstance(refused, Refused)


# Stored with its session


async def test_it_is_stored_with_its_session_and_not_again(counter: Counter) -> None:
    await not_running(counter)
    command = typed(first="My &lt;order&gt; :tada: is <https://a.example|late>")
    for _ in range(2):
        answer = await counter.service.connect(command)
        assert isinstance(answer, Connecting)
        assert answer.first == "My <order> 🎉 is late (https://a.example)"
    assert isinstance(answer, Connecting)
    row = await counter.bench.stored(answer.session)
    [told] = await counter.bench.inbox(row)
    assert (told.kind, told.message_ts, told.user_id, told.state) == (
        "text",
        first.TS,
        ANA,
        "waiting",
    )
    assert "My <order> 🎉 is late (https://a.example)" in told.payload
    [shown] = await counter.bench.outbox(row)
    assert (shown.kind, shown.dialog_id) == ("notice", first.DIALOG)


@pytest.mark.parametrize("words", ["", "  ", "\u200b"])
async def test_without_words_there_is_no_first_message(counter: Counter, words: str) -> None:
    await not_running(counter)
    answer = await counter.service.connect(typed(first=words))
    assert isinstance(answer, Connecting)
    assert answer.first is None
    assert await counter.bench.inbox(await counter.bench.stored(answer.session)) == []


async def test_a_note_among_colleagues_opens_nothing(counter: Counter) -> None:
    answer = await counter.service.connect(typed(first=" // she is angry"))
    assert isinstance(answer, Refused)
    assert "stays in Slack" in answer.text
    assert await counter.count() == 0


# Slips


async def test_a_number_that_liveperson_does_not_know_is_told_to_who_typed_it(
    counter: Counter,
) -> None:
    answer = await counter.service.connect(typed("99999999"))
    assert isinstance(answer, Refused)
    assert "does not know the account `99999999`" in answer.text
    assert await counter.count() == 0
    assert counter.bench.slack.messages(CHANNEL) == []


async def test_a_directory_that_does_not_answer_keeps_nobody_from_trying(counter: Counter) -> None:
    await not_running(counter)
    counter.bench.liveperson.faults.http_status("csds", 503, times=10)
    assert isinstance(await counter.service.connect(typed("99999999")), Connecting)


# What the dialog names is looked at again


LIMITED = {ACCOUNT: AccountSettings(number=ACCOUNT, name="Telecom", channels=("#support",))}


@pytest.mark.parametrize(
    ("channel", "opens"),
    [("C0SUPPORT", True), ("C0GENERAL", False), ("D0ANA", False), ("C0NOWHERE", False)],
)
async def test_an_account_stays_limited_to_its_channels_from_the_dialog_too(
    bench: Bench, channel: str, opens: bool
) -> None:
    counter = await not_running(counter_of(bench, accounts=LIMITED, bridge_accounts=(ACCOUNT,)))
    command = typed("telecom", channel=ChannelId(channel), channel_name=None)
    answer = await counter.service.connect(command)
    assert isinstance(answer, Connecting) == opens
    if isinstance(answer, Refused):
        assert "cannot be opened from this channel" in answer.text


# From the home


async def test_only_who_opened_a_conversation_ends_it_from_the_home(counter: Counter) -> None:
    row, key = await counter.thread(), MessageTs("1700000009.000001")
    end = counter.service.end_own
    for team, user in ((TEAM, UserId(BEN)), (TeamId("T0OTHER"), ANA)):
        assert isinstance(await end(row.id, team, user, key), Refused)
    assert isinstance(await end(SessionId("nobody's"), TEAM, ANA, key), Refused)
    assert await counter.bench.inbox(row) == []
    for _ in range(2):
        assert await end(row.id, TEAM, ANA, key) is None
    [close] = await counter.bench.inbox(row)
    assert (close.kind, close.user_id) == ("close", ANA)


async def test_the_overview_has_what_goes_on_and_what_has_ended_lately(counter: Counter) -> None:
    for number in range(7):
        over = await counter.thread(thread_ts=f"1600000000.00000{number}")
        await counter.bench.change(
            over, live=False, state=State.CLOSED.value, created_at=1_000 + number
        )
    row = await counter.thread()
    await counter.thread(thread_ts="1700000000.000007", opener_id=UserId(BEN))
    found = await counter.service.overview(TEAM, ANA)
    assert [each.session for each in found.open] == [row.id]
    assert [each.created_at for each in found.ended] == [1_006, 1_005, 1_004, 1_003, 1_002]


async def test_the_list_has_the_channels_conversations_after_ones_own(counter: Counter) -> None:
    mine = await counter.thread(channel_id=ChannelId("C0GENERAL"))
    bens = await counter.thread(thread_ts="1700000000.000007", opener_id=UserId(BEN))
    await counter.thread(
        thread_ts="1700000000.000008", opener_id=UserId(BEN), channel_id=ChannelId("C0GENERAL")
    )
    listed = await counter.service.sessions(TEAM, ANA, CHANNEL)
    assert [each.session for each in listed] == [mine.id, bens.id]
    assert await counter.service.sessions(TeamId("T0OTHER"), ANA, CHANNEL) == []


# Outside of any thread


def direct(ts: str = "1700000005.000001") -> DirectMessage:
    return DirectMessage(TEAM, ChannelId("D0ANA"), ANA, MessageTs(ts))


async def test_a_message_outside_is_answered_once_and_a_burst_is_too(bench: Bench) -> None:
    overviews = Overviews(bench.deps)
    for ts in ("1700000005.000001", "1700000005.000001", "1700000006.000001"):
        await overviews.direct(direct(ts))
    [told] = bench.slack.messages("D0ANA")
    assert "no conversation with LivePerson is open here" in told["text"]


async def test_a_message_outside_is_led_to_the_thread(bench: Bench) -> None:
    await bench.session(State.ACTIVE, channel_id=ChannelId("D0ANA"), thread_ts="1700000000.000001")
    await bench.deps.workspaces.identity(TEAM)
    await Overviews(bench.deps).direct(direct())
    [told] = bench.slack.messages("D0ANA")
    assert "/archives/D0ANA/p1700000000000001" in str(told["blocks"])


async def test_an_answer_that_slack_does_not_take_fails_nothing(bench: Bench) -> None:
    bench.slack.faults.refuse("chat.postMessage", "is_archived")
    await Overviews(bench.deps).direct(direct())
    assert bench.slack.messages("D0ANA") == []


# Quotations


async def test_a_quotation_names_people_and_files(bench: Bench) -> None:
    quoted = Quoted(TEAM, UserId(BEN), None, "see <@U0ANA> &amp; :tada:\nnow", files=("a.txt",))
    assert await Overviews(bench.deps).quotation(quoted) == (
        "> see @Ana & 🎉\n> now\n> (with the file “a.txt”)\n— Ben\n"
    )
    of_app = Quoted(TEAM, None, "Alerts", "")
    assert await Overviews(bench.deps).quotation(of_app) == (
        "> (a message without words)\n— Alerts\n"
    )


async def test_a_quotation_does_not_wait_for_names_for_long(bench: Bench) -> None:
    bench.slack.faults.apply("server_error", method="users.info", times=50)
    quoted = Quoted(TEAM, UserId(BEN), None, "see <@U0ANA>")
    words = await Overviews(bench.deps).quotation(quoted)
    assert words == "> see @someone\n— someone\n"


# The whole way


async def test_the_first_message_is_sent_and_everybody_sees_it(world: World) -> None:
    await world.slack.command("U0ANA", "C0SUPPORT", "connect 12345678 My order is late")
    conversation = await world.until(world.conversation)
    await world.until(lambda: said(world, conversation))
    assert said(world, conversation) == ["My order is late"]
    await world.until(lambda: len(world.slack.messages("C0SUPPORT")) > 1)
    card, shown, *_ = world.slack.messages("C0SUPPORT")
    assert shown["thread_ts"] == card["ts"]
    assert "My order is late" in str(shown["blocks"])
    assert not any(
        "Write your first message" in str(each["text"])
        for each in world.slack.thread("C0SUPPORT", card["ts"])[1:]
    )
    await world.slack.say("U0ANA", "C0SUPPORT", "and so", thread_ts=card["ts"], wait=True)
    await world.until(lambda: len(said(world, conversation)) == 2)
    assert said(world, conversation) == ["My order is late", "and so"]


async def test_a_first_message_that_fails_is_marked_where_it_stands(world: World) -> None:
    world.liveperson.faults.refuse_request("ms.PublishEvent", 400)
    await world.slack.command("U0ANA", "C0SUPPORT", "connect 12345678 My order is late")
    await world.until(
        lambda: any(
            "was not delivered" in str(each["text"]) for each in world.slack.messages("C0SUPPORT")
        )
    )
    shown = world.slack.messages("C0SUPPORT")[1]
    assert "My order is late" in str(shown["blocks"])
    await world.until(lambda: "warning" in world.slack.reactions("C0SUPPORT", shown["ts"]))
    conversation = world.conversation()
    await world.slack.say("U0ANA", "C0SUPPORT", "again", thread_ts=shown["thread_ts"], wait=True)
    await world.until(lambda: said(world, conversation) == ["again"])

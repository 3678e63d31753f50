"""An agent's file is shown in the thread, in its place; else a message says why not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.files import PDF, picture, shown
from tests.e2e.world import World

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

PNG = picture()


async def test_a_file_is_shown_under_its_caption_and_the_agents_name(world: World) -> None:
    thread, conversation = await world.talking()
    await world.liveperson.say(conversation.id, "before")
    await world.liveperson.send_file(conversation.id, PNG, "the *broken* <router>")
    await world.liveperson.say(conversation.id, "after")
    await thread.shows("after")
    texts = [text for text in thread.texts if "joined" not in text and "🟡" not in text]
    assert texts == ["before", "the *broken* <router>", "after"]
    [message] = [each for each in thread.replies if each.get("files")]
    assert message["username"] == "Maria (agent)"
    [file] = message["files"]
    assert file["mimetype"] == "image/png"
    assert shown(world, thread) == [("the *broken* <router>", PNG)]


@pytest.mark.parametrize(
    ("data", "said", "name"),
    [
        (PNG, "JPG", "png"),
        (PDF, "PDF", "pdf"),
        (b"words", "TXT", "txt"),
        (b"\0\1\2", "IMG", "bin"),
    ],
)
async def test_its_name_says_what_it_is_not_what_was_said(
    world: World, data: bytes, said: str, name: str
) -> None:
    thread, conversation = await world.talking()
    await world.liveperson.send_file(conversation.id, data, "", file_type=said)
    await world.until(lambda: shown(world, thread) == [("", data)])
    [file] = [file for message in thread.replies for file in message.get("files", ())]
    assert file["name"].endswith(f".{name}")


async def test_what_follows_waits_until_slack_shows_it(world: World) -> None:
    thread, conversation = await world.talking()
    world.slack.files.shown_after, world.slack.files.shares_after = 0.4, 0.2
    await world.liveperson.send_file(conversation.id, PNG, "first")
    await world.liveperson.say(conversation.id, "second")
    await thread.shows("second")
    assert thread.texts[-2:] == ["first", "second"]


REASONS: dict[str, tuple[Any, str]] = {
    "it is gone": (lambda w, p: w.liveperson.storage.files.clear(), "404"),
    "it is refused": (
        lambda w, p: w.liveperson.faults.refuse_request("ms.GenerateURLForDownloadFile", 403),
        "403",
    ),
    "the storage fails": (
        lambda w, p: w.liveperson.faults.http_status("swift", 500, times=None),
        "HTTP 500",
    ),
    "it is too large": (lambda w, p: p.setattr("bridge.relay.posting.files.LONGEST", 10), "larger"),
    "the address is always too old": (
        lambda w, p: setattr(w.liveperson.storage, "seconds", -9),
        "401",
    ),
    "Slack takes no such files": (
        lambda w, p: w.slack.faults.refuse(
            "files.completeUploadExternal", "slack_connect_file_upload_sharing_blocked", times=99
        ),
        "slack_connect_file_upload_sharing_blocked",
    ),
    "the permission is missing": (
        lambda w, p: w.slack.faults.refuse(
            "files.getUploadURLExternal", "missing_scope", needed="files:write", times=99
        ),
        "app_manifest.yml",
    ),
}


@pytest.mark.parametrize("reason", REASONS)
async def test_what_cannot_be_shown_is_said_in_its_place(
    world: World, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.relay.shared.hosted.TRIES", 2)
    thread, conversation = await world.talking()
    cause, words = REASONS[reason]
    path_known = world.liveperson.storage
    await world.liveperson.say(conversation.id, "before")
    await thread.shows("before")
    if reason == "it is gone":
        message = {"caption": "the plan", "relativePath": "/v1/AUTH_async-images/12345678/x.PNG"}
        event = {
            "type": "ContentEvent",
            "contentType": "hosted/file",
            "message": {**message, "fileType": "PNG"},
        }
        cause(world, monkeypatch)
        await world.liveperson.publish(conversation.id, event)
    else:
        cause(world, monkeypatch)
        await world.liveperson.send_file(conversation.id, PNG, "the plan")
    await world.liveperson.say(conversation.id, "after")
    said = await thread.shows("Sent a file, which could not be shown here.")
    assert words in said["text"]
    assert "the plan" in said["text"]
    assert said["username"] == "Maria (agent)"
    await thread.shows("after")
    assert thread.texts.index(said["text"]) == thread.texts.index("after") - 1
    assert path_known is world.liveperson.storage
    assert shown(world, thread) == []


async def test_a_web_page_in_place_of_a_file_is_not_shown(world: World) -> None:
    thread, conversation = await world.talking()
    await world.liveperson.send_file(conversation.id, b"<html>sign in</html>", "x")
    await thread.shows("It is a web page")
    assert shown(world, thread) == []


@pytest.mark.parametrize(
    ("error", "more"),
    [("missing_scope", {"needed": "chat:write.customize"}), ("invalid_blocks", {})],
)
async def test_a_plainer_form_is_tried_before_it_is_given_up(
    world: World, error: str, more: dict[str, Any]
) -> None:
    thread, conversation = await world.talking()
    world.slack.faults.refuse("files.completeUploadExternal", error, **more)
    await world.liveperson.send_file(conversation.id, PNG, "the plan")
    await world.until(lambda: shown(world, thread) == [("the plan", PNG)])


def late(world: World) -> None:
    world.slack.faults.lost_answer("files.completeUploadExternal")
    world.slack.files.shares_after, world.slack.files.again = 1.5, "shares"


FAULTS: dict[str, Any] = {
    "the address's answer is lost": lambda w: w.slack.faults.lost_answer(
        "files.getUploadURLExternal"
    ),
    "the upload fails": lambda w: setattr(w.slack.files, "failing_uploads", 2),
    "the completing is lost": lambda w: w.slack.faults.drop("files.completeUploadExternal"),
    "its answer is lost": lambda w: w.slack.faults.lost_answer("files.completeUploadExternal"),
    "its answer is lost, and it shows late": late,
    "it fails, and was done": lambda w: w.slack.faults.server_error(
        "files.completeUploadExternal", done=True
    ),
    "it is throttled": lambda w: w.slack.faults.rate_limit("files.completeUploadExternal"),
    "Slack says nothing of shares": lambda w: w.slack.faults.refuse("files.info", "missing_scope"),
    "the download is cut": lambda w: w.liveperson.faults.http_reset("swift", times=2),
    "the socket is cut": lambda w: w.liveperson.faults.drop_before("ms.GenerateURLForDownloadFile"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_whatever_fails_it_is_shown_once(world: World, fault: str) -> None:
    thread, conversation = await world.talking()
    FAULTS[fault](world)
    await world.liveperson.send_file(conversation.id, PNG, "the plan")
    await world.liveperson.say(conversation.id, "after")
    await thread.shows("after", timeout=30)
    assert shown(world, thread) == [("the plan", PNG)]
    assert thread.texts[-2:] == ["the plan", "after"]


async def test_a_file_that_is_sent_with_the_last_word_is_still_shown(world: World) -> None:
    thread, conversation = await world.talking()
    await thread.say("hi")
    world.liveperson.faults.hold_http("swift", seconds=1.0)
    await world.liveperson.send_file(conversation.id, PNG, "your invoice")
    await world.liveperson.send_file(conversation.id, PDF, "and its terms")  # asked for later
    await world.liveperson.close(conversation.id)
    await thread.card_shows("lp_again")
    await thread.shows("ended the conversation")
    assert shown(world, thread) == [("your invoice", PNG), ("and its terms", PDF)]


async def test_a_slow_file_holds_up_its_own_thread_only(world: World) -> None:
    thread, conversation = await world.talking()
    before = world.conversation()
    world.liveperson.faults.hold_http("swift", seconds=60)
    await world.liveperson.send_file(conversation.id, PNG, "slow")
    other = await world.connect()
    elsewhere: Any = await world.until(lambda: (c := world.conversation()) is not before and c)
    await world.liveperson.accept(elsewhere.id)
    await world.liveperson.say(elsewhere.id, "quick")
    await other.shows("quick")
    assert shown(world, thread) == []
    world.liveperson.faults.release_http()
    await world.until(lambda: shown(world, thread) == [("slow", PNG)])


async def test_our_own_file_is_not_sent_back_to_the_agent(world: World) -> None:
    thread, conversation = await world.talking()
    await world.liveperson.send_file(conversation.id, PNG, "the plan")
    await world.until(lambda: shown(world, thread) == [("the plan", PNG)])
    await thread.say("thanks")
    await world.until(
        lambda: (
            [each.role for each in world.liveperson.transcript(conversation.id)][-1] == "CONSUMER"
        )
    )
    assert len(world.liveperson.transcript(conversation.id)) == 2
    assert not any("not passed on" in text for text in thread.texts)

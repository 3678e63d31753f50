"""The Web API, called by Slack's official client."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.models.blocks import DividerBlock, SectionBlock
from slack_sdk.web.async_client import AsyncWebClient

from lp_sandbox.slack import App, SlackSandbox
from lp_sandbox.wire import Wire

KEY = {"event_type": "lp_bridge", "event_payload": {"key": "7"}}
MISSING = "1700000000.000001"


async def error_of(call: Any) -> Any:
    with pytest.raises(SlackApiError) as refused:
        await call
    return refused.value.response["error"]


async def test_auth_test_tells_who_the_bot_is_and_its_scopes(client: AsyncWebClient) -> None:
    answer = await client.auth_test()

    assert (answer["team_id"], answer["user_id"], answer["bot_id"]) == (
        "T0SANDBOX",
        "U0BRIDGE",
        "B0BRIDGE",
    )
    assert "chat:write.customize" in answer.headers["X-OAuth-Scopes"].split(",")


@pytest.mark.parametrize(("token", "error"), [(None, "not_authed"), ("xoxb-other", "invalid_auth")])
async def test_a_call_needs_the_bots_token(
    slack: SlackSandbox, token: str | None, error: str
) -> None:
    client = AsyncWebClient(token=token, base_url=slack.api_url)
    assert await error_of(client.auth_test()) == error
    assert await error_of(client.chat_postMessage(channel="C0SUPPORT", text="x")) == error
    assert slack.messages("C0SUPPORT") == []


async def test_each_kind_of_token_opens_its_own_methods(
    slack: SlackSandbox, client: AsyncWebClient
) -> None:
    assert await error_of(client.api_call("apps.connections.open")) == "not_allowed_token_type"
    with_app_token = AsyncWebClient(token=slack.app_token, base_url=slack.api_url)
    refused = await error_of(with_app_token.users_info(user="U0ANA"))
    assert refused == "not_allowed_token_type"


async def test_an_unknown_method_is_refused(client: AsyncWebClient) -> None:
    assert await error_of(client.api_call("chat.shout")) == "unknown_method"


async def test_a_post_is_kept_and_answered_in_slacks_shape(
    slack: SlackSandbox, client: AsyncWebClient
) -> None:
    answer = await client.chat_postMessage(
        channel="C0SUPPORT",
        text="fallback",
        blocks=[SectionBlock(text="*hello*"), DividerBlock()],
        metadata=KEY,
        link_names=False,
        unfurl_links=False,
        parse="none",
    )

    message = answer["message"]
    assert message["ts"] == answer["ts"]
    assert (message["user"], message["bot_id"], message["app_id"]) == (
        "U0BRIDGE",
        "B0BRIDGE",
        "A0BRIDGE",
    )
    assert [block["type"] for block in message["blocks"]] == ["section", "divider"]
    assert all(block["block_id"] for block in message["blocks"])
    assert slack.messages("C0SUPPORT") == [message]


async def test_a_post_under_another_name_is_a_bot_message(client: AsyncWebClient) -> None:
    answer = await client.chat_postMessage(
        channel="C0SUPPORT", text="hi", username="Maria", icon_url="https://example.com/m.png"
    )

    message = answer["message"]
    assert (message["subtype"], message["username"]) == ("bot_message", "Maria")
    assert message["icons"] == {"image_48": "https://example.com/m.png"}
    assert (message["bot_id"], message["app_id"]) == ("B0BRIDGE", "A0BRIDGE")
    assert "user" not in message


async def test_scopes_that_were_not_granted(wire: Wire) -> None:
    app = App(scopes=frozenset({"chat:write"}))
    async with SlackSandbox(wire, app=app) as slack:
        client = AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)
        with pytest.raises(SlackApiError) as refused:
            await client.chat_postMessage(channel="C0SUPPORT", text="x", username="Maria")
        answer = refused.value.response
        assert answer["error"] == "missing_scope"
        assert answer["needed"] == "chat:write.customize"
        assert answer["provided"] == "chat:write"
        for call in (
            client.users_info(user="U0ANA"),
            client.team_info(),
            client.conversations_info(channel="C0SUPPORT"),
            client.conversations_history(channel="C0SUPPORT"),
            client.reactions_add(channel="C0SUPPORT", name="eyes", timestamp=MISSING),
        ):
            assert await error_of(call) == "missing_scope"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"channel": "C0NOWHERE", "text": "x"}, "channel_not_found"),
        ({"channel": "C0NOBOT", "text": "x"}, "not_in_channel"),
        ({"channel": "C0ARCHIVED", "text": "x"}, "is_archived"),
        ({"channel": "C0SUPPORT"}, "no_text"),
        ({"channel": "C0SUPPORT", "text": "  "}, "no_text"),
        ({"channel": "C0SUPPORT", "text": "x" * 40_001}, "msg_too_long"),
        ({"channel": "C0SUPPORT", "text": "x", "thread_ts": MISSING}, "thread_not_found"),
        ({"channel": "C0SUPPORT", "text": "x", "thread_ts": "soon"}, "invalid_thread_ts"),
        ({"channel": "C0SUPPORT", "text": {"a": 1}}, "invalid_arguments"),
        ({"channel": "C0SUPPORT", "text": "x", "parse": "some"}, "invalid_arguments"),
        ({"channel": "C0SUPPORT", "text": "x", "unfurl_links": "often"}, "invalid_arguments"),
        ({"channel": "C0SUPPORT", "text": "x", "blocks": "{"}, "invalid_blocks_format"),
        ({"channel": "C0SUPPORT", "text": "x", "blocks": [{"type": "?"}]}, "invalid_blocks"),
        ({"channel": "C0SUPPORT", "text": "x", "metadata": "{"}, "invalid_metadata_format"),
        ({"channel": "C0SUPPORT", "text": "x", "metadata": {"a": 1}}, "invalid_metadata_schema"),
    ],
)
async def test_posts_that_slack_refuses_are_refused_here_too(
    slack: SlackSandbox, client: AsyncWebClient, arguments: dict[str, Any], error: str
) -> None:
    assert await error_of(client.api_call("chat.postMessage", json=arguments)) == error
    assert slack.messages("C0SUPPORT") == []


async def test_a_thread_begins_at_its_first_message_only(client: AsyncWebClient) -> None:
    root = await client.chat_postMessage(channel="C0SUPPORT", text="root")
    reply = await client.chat_postMessage(channel="C0SUPPORT", text="reply", thread_ts=root["ts"])
    assert reply["message"]["parent_user_id"] == "U0BRIDGE"
    below = client.chat_postMessage(channel="C0SUPPORT", text="x", thread_ts=reply["ts"])
    assert await error_of(below) == "cannot_reply_to_message"


async def test_a_post_to_a_person_goes_to_their_direct_message(
    slack: SlackSandbox, client: AsyncWebClient
) -> None:
    answer = await client.chat_postMessage(channel="U0ANA", text="hi")
    assert answer["channel"] == "D0ANA"
    assert len(slack.messages("D0ANA")) == 1


async def test_update_changes_what_it_names(slack: SlackSandbox, client: AsyncWebClient) -> None:
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "old"}}
    ts = (await client.chat_postMessage(channel="C0SUPPORT", text="old", blocks=[section]))["ts"]

    changed = {"type": "section", "text": {"type": "mrkdwn", "text": "new"}}
    answer = await client.chat_update(channel="C0SUPPORT", ts=ts, text="new", blocks=[changed])
    assert (answer["ts"], answer["text"]) == (ts, "new")
    [message] = slack.messages("C0SUPPORT")
    assert message["blocks"][0]["text"]["text"] == "new"
    assert message["edited"]["user"] == "U0BRIDGE"

    await client.chat_update(channel="C0SUPPORT", ts=ts, text="only text")
    [message] = slack.messages("C0SUPPORT")
    assert message["text"] == "only text"
    assert "blocks" not in message


async def test_only_ones_own_messages_can_be_changed(
    slack: SlackSandbox, client: AsyncWebClient
) -> None:
    ts = await slack.say("U0ANA", "C0SUPPORT", "mine")
    update = client.chat_update(channel="C0SUPPORT", ts=ts, text="x")
    assert await error_of(update) == "cant_update_message"
    assert await error_of(client.chat_delete(channel="C0SUPPORT", ts=ts)) == "cant_delete_message"
    missing = client.chat_update(channel="C0SUPPORT", ts=MISSING, text="x")
    assert await error_of(missing) == "message_not_found"


async def test_a_message_can_be_deleted_once(slack: SlackSandbox, client: AsyncWebClient) -> None:
    ts = (await client.chat_postMessage(channel="C0SUPPORT", text="x"))["ts"]
    await client.chat_delete(channel="C0SUPPORT", ts=ts)
    assert slack.messages("C0SUPPORT") == []
    assert await error_of(client.chat_delete(channel="C0SUPPORT", ts=ts)) == "message_not_found"


async def test_an_ephemeral_is_seen_by_one_person(
    slack: SlackSandbox, client: AsyncWebClient
) -> None:
    answer = await client.chat_postEphemeral(channel="C0SUPPORT", user="U0ANA", text="psst")
    [shown] = slack.ephemerals("C0SUPPORT", "U0ANA")
    assert (shown["ts"], shown["text"]) == (answer["message_ts"], "psst")
    assert slack.ephemerals("C0SUPPORT", "U0BEN") == []
    assert slack.messages("C0SUPPORT") == []
    outside = client.chat_postEphemeral(channel="D0ANA", user="U0BEN", text="psst")
    assert await error_of(outside) == "user_not_in_channel"


async def test_reactions_are_added_once_and_checked(
    slack: SlackSandbox, client: AsyncWebClient
) -> None:
    ts = await slack.say("U0ANA", "C0SUPPORT", "hello")
    await client.reactions_add(channel="C0SUPPORT", name="lock", timestamp=ts)
    assert slack.reactions("C0SUPPORT", ts) == {"lock": ["U0BRIDGE"]}

    again = client.reactions_add(channel="C0SUPPORT", name="lock", timestamp=ts)
    assert await error_of(again) == "already_reacted"
    unknown = client.reactions_add(channel="C0SUPPORT", name="no_such_emoji", timestamp=ts)
    assert await error_of(unknown) == "invalid_name"
    missing = client.reactions_add(channel="C0SUPPORT", name="lock", timestamp=MISSING)
    assert await error_of(missing) == "message_not_found"

    await client.reactions_remove(channel="C0SUPPORT", name="lock", timestamp=ts)
    assert slack.reactions("C0SUPPORT", ts) == {}
    gone = client.reactions_remove(channel="C0SUPPORT", name="lock", timestamp=ts)
    assert await error_of(gone) == "no_reaction"


async def test_replies_come_page_by_page_with_the_parent_first(
    slack: SlackSandbox, client: AsyncWebClient
) -> None:
    root = (await client.chat_postMessage(channel="C0SUPPORT", text="root"))["ts"]
    said = [await slack.say("U0ANA", "C0SUPPORT", str(n), root) for n in range(5)]

    pages = [
        page.data
        async for page in await client.conversations_replies(channel="C0SUPPORT", ts=root, limit=2)
    ]

    assert [[m["ts"] for m in page["messages"]] for page in pages] == [
        [root, *said[0:2]],
        [root, *said[2:4]],
        [root, *said[4:5]],
    ]
    assert [page["has_more"] for page in pages] == [True, True, False]
    parent = pages[0]["messages"][0]
    assert (parent["reply_count"], parent["reply_users"]) == (5, ["U0ANA"])
    assert parent["latest_reply"] == said[-1]


async def test_replies_are_read_within_bounds(slack: SlackSandbox, client: AsyncWebClient) -> None:
    root = await slack.say("U0ANA", "C0SUPPORT", "root")
    said = [await slack.say("U0ANA", "C0SUPPORT", str(n), root) for n in range(3)]

    async def between(**bounds: Any) -> list[str]:
        answer = await client.conversations_replies(channel="C0SUPPORT", ts=root, **bounds)
        return [message["ts"] for message in answer["messages"][1:]]

    assert await between(oldest=said[1]) == said[2:]
    assert await between(oldest=said[1], inclusive=True) == said[1:]
    assert await between(latest=said[1]) == said[:1]
    call = client.conversations_replies(channel="C0SUPPORT", ts=MISSING)
    assert await error_of(call) == "thread_not_found"
    call = client.conversations_replies(channel="C0SUPPORT", ts=root, cursor="xyz")
    assert await error_of(call) == "invalid_cursor"


async def test_history_has_the_newest_first_and_no_replies(
    slack: SlackSandbox, client: AsyncWebClient
) -> None:
    first = await slack.say("U0ANA", "C0SUPPORT", "first")
    await slack.say("U0ANA", "C0SUPPORT", "reply", first)
    second = await slack.say("U0BEN", "C0SUPPORT", "second")
    answer = await client.conversations_history(channel="C0SUPPORT")
    assert [message["ts"] for message in answer["messages"]] == [second, first]
    assert await error_of(client.conversations_history(channel="C0NOBOT")) == "not_in_channel"


async def test_metadata_comes_back_only_when_asked_for(client: AsyncWebClient) -> None:
    root = await client.chat_postMessage(channel="C0SUPPORT", text="x", metadata=KEY)
    where = {"channel": "C0SUPPORT", "ts": root["ts"]}
    plain = await client.conversations_replies(**where)
    full = await client.conversations_replies(**where, include_all_metadata=True)
    assert "metadata" not in plain["messages"][0]
    assert full["messages"][0]["metadata"] == KEY
    listed = await client.conversations_history(channel="C0SUPPORT", include_all_metadata=True)
    assert listed["messages"][0]["metadata"] == KEY


async def test_users_and_channels_are_described_as_the_scopes_allow(client: AsyncWebClient) -> None:
    ana = (await client.users_info(user="U0ANA"))["user"]
    assert (ana["profile"]["display_name"], ana["is_bot"]) == ("Ana", False)
    assert await error_of(client.users_info(user="U0NOBODY")) == "user_not_found"
    support = (await client.conversations_info(channel="C0SUPPORT"))["channel"]
    assert (support["name"], support["is_member"]) == ("support", True)
    other = (await client.conversations_info(channel="C0NOBOT"))["channel"]
    assert other["is_member"] is False
    # Granted channels:read and groups:read, but not im:read or team:read.
    assert await error_of(client.conversations_info(channel="D0ANA")) == "missing_scope"
    assert await error_of(client.team_info()) == "missing_scope"


async def test_a_permalink_leads_to_its_message(
    slack: SlackSandbox, client: AsyncWebClient
) -> None:
    ts = await slack.say("U0ANA", "C0SUPPORT", "hello")
    answer = await client.chat_getPermalink(channel="C0SUPPORT", message_ts=ts)
    assert answer["permalink"].endswith(f"/archives/C0SUPPORT/p{ts.replace('.', '')}")


async def test_a_private_channel_without_the_bot_does_not_exist(
    slack: SlackSandbox, client: AsyncWebClient
) -> None:
    await slack.remove("G0PRIVATE")
    post = client.chat_postMessage(channel="G0PRIVATE", text="x")
    assert await error_of(post) == "channel_not_found"


async def test_methods_that_read_take_no_json_and_those_that_write_take_forms(
    slack: SlackSandbox,
) -> None:
    headers = {"Authorization": f"Bearer {slack.bot_token}"}
    async with aiohttp.ClientSession(slack.api_url, headers=headers) as http:
        async with http.post("conversations.info", json={"channel": "C0SUPPORT"}) as answer:
            assert (await answer.json())["error"] == "channel_not_found"
        form = {"channel": "C0SUPPORT", "text": "form", "metadata": '{"event_type": 1}'}
        async with http.post("chat.postMessage", data=form) as answer:
            assert (await answer.json())["error"] == "invalid_metadata_schema"
        for body, error in (("[]", "json_not_object"), ("{", "invalid_json")):
            kind = {"Content-Type": "application/json"}
            async with http.post("chat.postMessage", data=body, headers=kind) as answer:
                assert (await answer.json())["error"] == error


async def test_calls_are_on_the_wire_with_their_thread_and_no_token(
    slack: SlackSandbox, client: AsyncWebClient, wire: Wire
) -> None:
    root = (await client.chat_postMessage(channel="C0SUPPORT", text="root"))["ts"]
    await client.reactions_add(channel="C0SUPPORT", name="eyes", timestamp=root)
    await AsyncWebClient(base_url=slack.api_url).apps_connections_open(app_token=slack.app_token)

    calls = [entry for entry in wire.entries() if entry.channel == "web api"]
    assert [entry.title for entry in calls] == [
        "chat.postMessage → ok",
        "reactions.add → ok",
        "apps.connections.open → ok",
    ]
    assert [entry.thread for entry in calls] == [root, root, None]
    shown = str([entry.as_dict() for entry in wire.entries()])
    assert slack.bot_token not in shown
    assert slack.app_token not in shown
    assert "ticket=" not in shown


async def test_a_status_shows_below_its_thread_until_the_apps_next_message(
    slack: SlackSandbox, client: AsyncWebClient
) -> None:
    root = (await client.chat_postMessage(channel="C0SUPPORT", text="root"))["ts"]

    async def status(words: str, **more: str) -> None:
        given = {"channel_id": "C0SUPPORT", "thread_ts": root, "status": words, **more}
        await client.api_call("assistant.threads.setStatus", json=given)

    def shown() -> str | None:
        found = slack.workspace.status("C0SUPPORT", root)
        return None if found is None else f"{found.username} {found.words}"

    await status("is typing…", username="Maria")
    assert shown() == "Maria is typing…"
    await status("")
    assert shown() is None
    await status("is typing…")
    assert shown() == "LP Bridge is typing…"
    await client.chat_postMessage(channel="C0SUPPORT", thread_ts=root, text="here")
    assert shown() is None
    missing = client.api_call(
        "assistant.threads.setStatus",
        json={"channel_id": "C0SUPPORT", "thread_ts": "1700000000.000001", "status": "x"},
    )
    assert await error_of(missing) == "thread_not_found"

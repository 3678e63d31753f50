"""Files in the workspace, uploaded by Slack's official client and fetched over HTTP."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from lp_sandbox.slack import SlackSandbox
from lp_sandbox.slack.files import Attachment

CHANNEL = "C0SUPPORT"


async def fetched(url: str, token: str | None) -> tuple[int, str, bytes]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as answer:
        return answer.status, answer.content_type, await answer.read()


async def shared(slack: SlackSandbox, *files: str | Attachment) -> list[dict[str, Any]]:
    ts = await slack.say("U0ANA", CHANNEL, "look", files=files)
    found: list[dict[str, Any]] = slack.workspace.message(CHANNEL, ts).as_dict()["files"]
    return found


async def test_the_official_client_uploads_into_a_thread(
    slack: SlackSandbox, client: AsyncWebClient
) -> None:
    root = await slack.say("U0ANA", CHANNEL, "root")
    await client.files_upload_v2(
        content=b"hello",
        filename="a.txt",
        title="A",
        channel=CHANNEL,
        thread_ts=root,
        initial_comment="see",
    )
    [_, reply] = slack.thread(CHANNEL, root)
    assert reply["text"] == "see"
    [file] = reply["files"]
    told = (await client.files_info(file=file["id"]))["file"]
    assert told["title"] == "A"
    assert told["shares"]["public"][CHANNEL][0]["ts"] == reply["ts"]
    assert await fetched(file["url_private"], slack.bot_token) == (200, "text/plain", b"hello")


async def test_without_the_token_there_is_a_page_to_sign_in(slack: SlackSandbox) -> None:
    [file] = await shared(slack, Attachment("a.png", b"png"))
    for token in (None, "xoxb-other"):
        status, kind, _ = await fetched(file["url_private"], token)
        assert (status, kind) == (200, "text/html")


async def test_on_a_grid_a_download_is_sent_on(slack: SlackSandbox) -> None:
    [file] = await shared(slack, Attachment("a.png", b"png"))
    slack.files.redirect = "elsewhere"
    status, kind, _ = await fetched(file["url_private"], slack.bot_token)
    assert (status, kind) == (200, "text/html"), "the client takes the token off on its way"
    assert slack.files.leaked == []


async def test_an_upload_is_completed_once(slack: SlackSandbox, client: AsyncWebClient) -> None:
    opened = await client.files_getUploadURLExternal(filename="a.txt", length=3)
    given = [{"id": opened["file_id"], "title": "A"}]

    async def complete() -> Any:
        return await client.files_completeUploadExternal(files=given, channel_id=CHANNEL)

    with pytest.raises(SlackApiError, match="file_not_found"):
        await complete()  # there are no bytes yet
    with pytest.raises(SlackApiError, match="file_not_found"):
        await client.files_info(file=opened["file_id"])
    async with aiohttp.ClientSession() as http, http.post(opened["upload_url"], data=b"abc") as up:
        assert up.status == 200
    await complete()
    with pytest.raises(SlackApiError, match="file_update_failed"):
        await complete()
    slack.files.again = "shares"
    await complete()
    assert len([each for each in slack.messages(CHANNEL) if each.get("files")]) == 2


async def test_an_upload_of_another_length_is_refused(
    slack: SlackSandbox, client: AsyncWebClient
) -> None:
    opened = await client.files_getUploadURLExternal(filename="a.txt", length=3)
    async with aiohttp.ClientSession() as http, http.post(opened["upload_url"], data=b"abcd") as up:
        assert up.status == 400


async def test_stubs_deleted_external_and_unfinished_files(
    slack: SlackSandbox, client: AsyncWebClient
) -> None:
    stub, gone, link, slow = await shared(
        slack,
        Attachment("a.png", mode="stub"),
        "b.png",
        Attachment("c", mode="external", url="https://docs.example/c"),
        Attachment("d.mp4", unfinished=1),
    )
    assert stub == {"id": stub["id"], "mode": "file_access", "file_access": "check_file_info"}
    assert (await client.files_info(file=stub["id"]))["file"]["name"] == "a.png"
    slack.files.delete(gone["id"])
    with pytest.raises(SlackApiError, match="file_deleted"):
        await client.files_info(file=gone["id"])
    assert link["url_private"] == "https://docs.example/c"
    assert link["is_external"]
    assert "url_private" not in (await client.files_info(file=slow["id"]))["file"]
    assert "url_private" in (await client.files_info(file=slow["id"]))["file"]

"""Files in Slack: what people attach, and what the bridge puts into threads.

An upload takes three steps: an address and an id are asked for, the bytes are sent, and the upload
is completed, which shows it in a thread. It can carry no metadata by which it could be found
again. But its id is known before, and `info` tells where it is shared. Source:
https://docs.slack.dev/messaging/working-with-files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, Any

import msgspec

from bridge.ids import ChannelId, MessageTs, TeamId
from bridge.slack.web.client import Check, SlackClient
from bridge.slack.web.errors import SlackUnknown
from bridge.slack.web.methods import COMPLETE_UPLOAD, FILE_INFO, OPEN_UPLOAD, SharedFile
from bridge.slack.web.sender import PATIENCE, Post


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload that was opened: what it will be called, and where its bytes go."""

    file: str
    url: str


class SlackFiles:
    """Fetches and uploads files in all workspaces. Each method makes one attempt."""

    def __init__(self, client: SlackClient) -> None:
        self._client = client

    async def info(self, team: TeamId, file: str) -> SharedFile:
        """What Slack knows of a file. Raises `SlackError`."""
        found = (await self._client.call(team, FILE_INFO, patience=PATIENCE, file=file)).file
        if found is None:
            raise SlackUnknown("Slack's answer has no file.", code="unreadable_answer")
        return found

    async def fetch(self, team: TeamId, url: str, into: IO[bytes], *, longest: int) -> int:
        """Write a file into `into`; see `WebApi.fetch`."""
        token = await self._client.workspaces.token_for(team)
        return await self._client.api.fetch(token, url, into, longest=longest)

    async def open(self, team: TeamId, name: str, size: int) -> Upload:
        """Ask where a file may be put. One that is never completed does no harm."""
        answer = await self._client.call(
            team, OPEN_UPLOAD, patience=PATIENCE, filename=name, length=size
        )
        if not (answer.file_id and answer.upload_url):
            raise SlackUnknown("Slack's answer has no address.", code="unreadable_answer")
        return Upload(answer.file_id, answer.upload_url)

    async def send(self, upload: Upload, data: IO[bytes], size: int) -> None:
        """Send its bytes. Raises `SlackError`."""
        await self._client.api.upload(upload.url, data, size)

    async def complete(
        self,
        team: TeamId,
        channel: ChannelId,
        file: str,
        *,
        title: str,
        post: Post,
        thread_ts: MessageTs | None,
        check: Check | None = None,
    ) -> None:
        """Show an uploaded file in a thread, with the post's words above it.

        Without blocks the post's text is the comment: mrkdwn. `check` as for `Sender.post`. Raises
        `SlackError`: after `SlackUnknown`, `info` tells where it is shared.
        """
        encode = msgspec.json.encode
        words: dict[str, Any] = {"initial_comment": post.text or None}
        if post.blocks:
            words = {"blocks": encode(post.blocks).decode()}
        await self._client.call(
            team,
            COMPLETE_UPLOAD,
            check=check,
            patience=PATIENCE,
            files=encode([{"id": file, "title": title}]).decode(),
            channel_id=channel,
            thread_ts=thread_ts,
            username=post.username,
            icon_url=post.icon_url,
            **words,
        )


def shared_at(file: SharedFile, channel: str, thread_ts: str | None) -> MessageTs | None:
    """The message in a thread that shows a file; None: Slack does not tell of one."""
    for places in (file.shares or {}).values():
        for place in places.get(channel, ()):
            ts = place.get("ts")
            if isinstance(ts, str) and place.get("thread_ts") == thread_ts:
                return MessageTs(ts)
    return None

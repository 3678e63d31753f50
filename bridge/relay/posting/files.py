"""Shows an agent's file in the thread: exactly once, or a message that says why not.

A file is fetched from LivePerson, uploaded to Slack, and shown by completing the upload. Nothing in
the thread tells whose file it is, so the upload's id is stored before it is completed, and in doubt
Slack is asked where that upload is shared. After a crash the bytes are fetched again if Slack does
not have them.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO, Final

import msgspec
import structlog

from bridge.backoff import Backoff
from bridge.content.files.kinds import HTML, file_name, kind_of
from bridge.content.from_liveperson import file_not_shown
from bridge.errors import ExplainedError
from bridge.ids import MessageTs
from bridge.relay.posting.form import Form
from bridge.relay.posting.posting import Posting
from bridge.relay.shared.crashpoints import crash_point
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.hosted import FilePost, Hosted, file_payload
from bridge.relay.shared.record import Record
from bridge.slack.views import notices
from bridge.slack.web.concerns import Concern, is_known
from bridge.slack.web.errors import SlackError, SlackRefused, SlackUnavailable, SlackUnknown
from bridge.slack.web.files import Upload, shared_at
from bridge.slack.web.sender import Post
from bridge.store import outbox
from bridge.store.rows import OutboxRow

log = structlog.get_logger(__name__)

LONGEST: Final = 25_000_000
"""Bytes of a file that is shown. LivePerson's agents can send less."""
SPOOLED: Final = 1024 * 1024
"""Bytes of a file that are kept in memory; more go to a temporary file."""
LOOKS: Final = 4
"""How often Slack is asked where a file is, which it tells only after a moment."""
UNKNOWN_TRIES: Final = 3
"""How often a step is tried while Slack gives an error that we do not know."""
SENDS: Final = 8
"""How often the bytes are sent before the file is given up."""


class CannotShow(Exception):  # noqa: N818 - says what it is
    """The file cannot be shown; the text is a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A file is in the thread."""

    ts: MessageTs | None
    """Where, if Slack tells."""


class FilePosting:
    """Shows the files of one session's agents."""

    __slots__ = ("_deps", "_hosted", "_posting", "_posts", "_record")

    def __init__(self, record: Record, deps: SessionDeps, posting: Posting, hosted: Hosted) -> None:
        self._record = record
        self._deps = deps
        self._posting = posting
        self._hosted = hosted
        self._posts: dict[int, FilePost] = {}
        """By row: how far it has come, if that is further than when the row was read."""

    async def post(self, row: OutboxRow, *, doubtful: bool) -> MessageTs | None:
        """Show the file of a row, or say why it cannot be shown. Raises as `Posting.post_once`.

        `doubtful`: a former owner may have said so already.
        """
        post = self._posts.get(row.id) or msgspec.json.decode(row.payload, type=FilePost)
        if post.instead is None:
            try:
                shown = await self._show(row, post)
            except CannotShow as reason:
                log.info("file.not_shown", session=row.session_id, outbox=row.id, why=str(reason))
                post = self._posts.get(row.id, post)
                post = msgspec.structs.replace(post, instead=str(reason))
                await self._keep(row, post)  # from now on it is not shown, whoever goes on
                doubtful = False
            else:
                self._posts.pop(row.id, None)
                return shown.ts
        ts = await self._posting.post_once(
            explanation(post),
            key=f"outbox:{row.id}",
            thread_ts=self._record.row.thread_ts,
            born=row.created_at,
            doubtful=doubtful,
        )
        self._posts.pop(row.id, None)
        return ts

    async def _show(self, row: OutboxRow, post: FilePost) -> Shown:
        """Raises `CannotShow`."""
        if post.upload is not None:  # it may have been shown, or not
            shown = await self._complete(row, post, post.upload, None, doubtful=True)
            if shown is not None:
                return shown
        with SpooledTemporaryFile(max_size=SPOOLED) as data:
            size = await self._fetch(post, data)
            kind = kind_of(data)
            if size == 0:
                raise CannotShow("It is empty.")
            if kind is HTML:
                raise CannotShow("It is a web page, which nobody should open from here.")
            name = file_name(post.caption if _is_name(post.caption) else post.path, kind)
            for _ in range(SENDS):
                upload = await self._send(row, post, name, data, size)
                shown = await self._complete(row, post, upload, name, doubtful=False)
                if shown is not None:
                    return shown
        raise CannotShow("Slack does not keep it.")

    async def _fetch(self, post: FilePost, into: IO[bytes]) -> int:
        async with self._deps.fetching:
            try:
                return await self._hosted.fetch(
                    post.path, into, longest=LONGEST, live=self._record.row.live
                )
            except ExplainedError as error:
                raise CannotShow(str(error)) from error

    async def _send(
        self, row: OutboxRow, post: FilePost, name: str, data: IO[bytes], size: int
    ) -> str:
        """Upload the bytes, under an id that is stored before; returns the id."""
        team, files = self._record.row.team_id, self._deps.files
        patience = _Patience(self._posting)
        while True:
            self._record.check_lease()
            try:
                upload: Upload = await files.open(team, name, size)
                known = self._posts.get(row.id, post)
                await self._keep(row, msgspec.structs.replace(known, upload=upload.file))
                crash_point("file.opened")
                await files.send(upload, data, size)
                crash_point("file.sent")
            except SlackError as error:
                await patience.after(error)
                continue
            return upload.file

    async def _complete(
        self, row: OutboxRow, post: FilePost, upload: str, name: str | None, *, doubtful: bool
    ) -> Shown | None:
        """Show an upload once. None: Slack has no such upload, so it is to be sent again.

        `doubtful`: it may be shown already.
        """
        session = self._record.row
        form = Form(Post(post.text, post.blocks, post.username, post.icon_url))
        patience = _Patience(self._posting, form)
        while True:
            self._record.check_lease()
            if doubtful and (shown := await self._look(upload)) is not None:
                return shown
            doubtful = False
            try:
                await self._deps.files.complete(
                    session.team_id,
                    session.channel_id,
                    upload,
                    title=name or _title(post),
                    post=form.post,
                    thread_ts=session.thread_ts,
                    check=self._record.check_lease,
                )
            except SlackUnknown as error:
                doubtful = True
                await asyncio.sleep(self._deps.timings.before_look)
                await patience.after(error)
            except SlackRefused as error:
                if error.code in {"file_not_found", "file_deleted"}:
                    return None
                if not is_known(error.code):  # perhaps it says that this was done before
                    doubtful = True
                await patience.after(error)
            except SlackUnavailable as error:
                await patience.after(error)
            else:
                crash_point("file.shown")
                return await self._seen(upload)

    async def _look(self, upload: str) -> Shown | None:
        """Where an upload is shown; None: nowhere, though Slack had time to tell."""
        for left in reversed(range(LOOKS)):
            found = await self._ask(upload)
            if isinstance(found, Shown):
                return found
            if found == "unknown" or not left:
                return None
            await asyncio.sleep(self._deps.timings.before_look)
        return None

    async def _seen(self, upload: str) -> Shown:
        """Wait until a file that Slack has taken is in the thread: what follows comes after it."""
        limit = time.monotonic() + self._deps.timings.file_shows
        backoff = Backoff(first=0.1, cap=2.0)
        while True:
            try:
                found = await self._ask(upload)
            except CannotShow:  # Slack does not say, but it has taken it
                return Shown(None)
            if isinstance(found, Shown):
                return found
            if time.monotonic() > limit:
                log.info("file.not_seen", session=self._record.row.id)
                return Shown(None)
            await asyncio.sleep(backoff.next())

    async def _ask(self, upload: str) -> Shown | str:
        """Ask Slack where an upload is: in the thread, `nowhere`, or it is `unknown`."""
        session, patience = self._record.row, _Patience(self._posting)
        while True:
            self._record.check_lease()
            try:
                file = await self._deps.files.info(session.team_id, upload)
            except SlackRefused as error:
                if error.code == "file_deleted":  # somebody has seen it, and taken it away
                    return Shown(None)
                if error.code == "file_not_found":
                    return "unknown"
                await patience.after(error)
            except SlackError as error:
                await patience.after(error)
            else:
                ts = shared_at(file, session.channel_id, session.thread_ts)
                return "nowhere" if ts is None else Shown(ts)

    async def _keep(self, row: OutboxRow, post: FilePost) -> None:
        """Store how far a row has come."""
        payload = file_payload(post)
        await self._record.commit(
            lambda transaction: outbox.change_payload(transaction, row.id, payload)
        )
        self._posts[row.id] = post


class _Patience:
    """What to do after each failure of one step."""

    def __init__(self, posting: Posting, form: Form | None = None) -> None:
        self._posting = posting
        self._form = form
        self._backoff = posting.backoff()
        self._unknown = 0

    async def after(self, error: SlackError) -> None:
        """Wait, or make the words plainer, before the next try. Raises `CannotShow`."""
        if not isinstance(error, SlackRefused):
            await asyncio.sleep(self._backoff.next(error.retry_after))
            return
        if self._form is not None and self._form.plainer(error):
            return
        if error.code == "missing_scope":
            raise CannotShow(f"{error} {error.remedy}")
        if error.concern in (Concern.THREAD, Concern.INSTALLATION):
            await self._posting.hold.wait_or_give_up(error)
            return
        self._unknown += not is_known(error.code)
        if error.concern is Concern.MESSAGE or self._unknown > UNKNOWN_TRIES:
            raise CannotShow(str(error))
        await asyncio.sleep(self._backoff.next())


def explanation(post: FilePost) -> Post:
    """The message that stands in place of a file."""
    said = file_not_shown(post.caption, post.instead or "")[0]
    if post.late is not None:
        said = notices.late(said, post.late)
    return Post(said.text, said.blocks, post.username, post.icon_url)


def _title(post: FilePost) -> str:
    """What a file is called whose bytes are not at hand."""
    return post.path.rpartition("/")[2][:100] or "file"


def _is_name(caption: str) -> bool:
    """Whether a caption looks like a file's name, which agents' tools use as one."""
    stem, dot, tail = caption.strip().rpartition(".")
    return bool(stem and dot) and len(caption) <= 100 and 2 <= len(tail) <= 5 and tail.isalnum()

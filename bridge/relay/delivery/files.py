"""Makes a person's file ready for the agent: fetched from Slack, made to fit, put into LivePerson's
storage. What is published afterwards is only where it is.

Nothing of this is stored on the way: after a crash the file is fetched again. Once the row says
where the file is in the storage, that is all there is to send, and what is looked for in doubt.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO, Final

import msgspec
import structlog

from bridge.backoff import Backoff
from bridge.content.files.kinds import DOCUMENTS, HEIC, Kind, kind_of
from bridge.content.files.pictures import UnfitPicture, fit
from bridge.ids import InboxId
from bridge.liveperson.errors import (
    ConnectionLost,
    LivePersonError,
    Permanent,
    RequestRefused,
)
from bridge.liveperson.ids import AccountId
from bridge.relay.shared.crashpoints import crash_point
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.hosted import Hosted
from bridge.relay.shared.items import File, Queued
from bridge.relay.shared.record import Record
from bridge.slack.web.errors import SlackError, SlackRefused
from bridge.slack.web.methods import SharedFile

log = structlog.get_logger(__name__)

LARGEST_PICTURE: Final = 25_000_000
"""Bytes of a picture that is fetched; it is made to fit."""
LARGEST_DOCUMENT: Final = 5_000_000
SPOOLED: Final = 1024 * 1024
"""Bytes of a file that are kept in memory; more go to a temporary file."""
ASKS: Final = 6
"""How often Slack is asked for a file that it has not finished, or does not give."""
HANG_UPS: Final = 3
"""How often LivePerson may hang up on a file before it is given up."""
PICTURES_ONLY: Final = "This account takes JPG, PNG and GIF pictures; others are converted."
EVERYTHING: Final = (
    "What works: pictures (JPG, PNG, GIF; others are converted), and PDF, DOCX, PPTX and XLSX "
    "files of up to 5 MB."
)


class CannotSend(Exception):  # noqa: N818 - says what it is
    """A file cannot be sent: what is wrong, and what works, in sentences."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class _Ready:
    """A file's bytes as LivePerson takes them."""

    data: bytes
    kind: Kind
    preview: str | None = None


class FileMaker:
    """Makes one session's files ready."""

    __slots__ = ("_deps", "_hosted", "_hung_up", "_record")

    def __init__(self, record: Record, deps: SessionDeps, hosted: Hosted) -> None:
        self._record = record
        self._deps = deps
        self._hosted = hosted
        self._hung_up: dict[InboxId, int] = {}
        """How often the connection was lost when LivePerson was asked about a file."""

    async def make(self, row: Queued, file: File) -> File:
        """Put a file into LivePerson's storage; returns the item that says where it is there.

        A file that lies elsewhere becomes its link. Raises `CannotSend`, and `ConnectionLost` to
        be called again over the next connection.
        """
        if self._hung_up.get(row.id, 0) >= HANG_UPS:  # over a new connection, so it can be told
            raise CannotSend("LivePerson does not take it.", "Send it again later.")
        rules = await self._rules()
        info = await self._info(file)
        name = info.name or info.title or file.name
        if _is_elsewhere(info):
            return msgspec.structs.replace(
                file, name=name, text=f"{name}\n{info.url_private or ''}".strip()
            )
        if rules == "off":
            raise CannotSend("This account takes no files.", "Send a link, or describe it.")
        with SpooledTemporaryFile(max_size=SPOOLED) as data:
            size = await self._fetch(info, data, rules)
            ready = await self._made_to_fit(data, size, rules)
        path = await self._put(row, ready)
        crash_point("file.put")
        return msgspec.structs.replace(
            file, name=name, path=path, file_type=ready.kind.name, preview=ready.preview
        )

    async def _rules(self) -> str:
        """What the account takes: `off`, `images` or `all`."""
        account = self._record.row.account
        configured = self._deps.settings.account(account).files
        if configured != "auto":
            return configured
        takes = await self._deps.site.takes_files(AccountId(account))
        return "off" if takes is False else "all"  # LivePerson itself refuses what it does not take

    # From Slack

    async def _info(self, file: File) -> SharedFile:
        """What Slack knows of the file, once it is finished."""
        backoff = self._backoff()
        for left in reversed(range(ASKS)):
            try:
                info = await self._deps.files.info(self._record.row.team_id, file.file)
            except SlackError as error:
                await self._slack_failed(error, backoff, left)
                continue
            if info.mode in {"tombstone", "hidden_by_limit"}:
                raise CannotSend("It was deleted meanwhile.")
            if _is_elsewhere(info) or _address(info) is not None:
                return info
            if info.mode == "file_access" or info.file_access not in (None, "visible"):
                raise CannotSend("Slack does not let the bridge see it.", "Send a link to it.")
            if left:
                await asyncio.sleep(backoff.next())  # Slack has not finished it
        raise CannotSend("Slack has not finished it.", "Send it again in a while.")

    async def _slack_failed(self, error: SlackError, backoff: Backoff, left: int) -> None:
        """Wait before the next try, if there is one and it may help."""
        if isinstance(error, SlackRefused):
            if error.code in {"file_not_found", "file_deleted"}:
                raise CannotSend("It was deleted meanwhile.") from error
            if error.code == "file_too_large":
                raise _too_large(LARGEST_PICTURE) from error
            raise CannotSend(str(error), error.remedy) from error
        if not left:
            raise CannotSend("Slack does not give it out.", "Send it again later.") from error
        await asyncio.sleep(backoff.next(error.retry_after))

    async def _fetch(self, info: SharedFile, into: IO[bytes], rules: str) -> int:
        """Have the bytes in `into`; returns how many there are."""
        size, picture = info.size or 0, (info.mimetype or "").startswith("image/")
        if size > LARGEST_PICTURE:
            raise _too_large(LARGEST_PICTURE)
        if size > LARGEST_DOCUMENT and not picture:
            if rules == "images":
                raise CannotSend("It is no picture.", PICTURES_ONLY)
            raise _too_large(LARGEST_DOCUMENT)
        url, backoff = _address(info) or "", self._backoff()
        for left in reversed(range(ASKS)):
            try:
                async with self._deps.fetching:
                    into.seek(0)
                    into.truncate()
                    return await self._deps.files.fetch(
                        self._record.row.team_id, url, into, longest=LARGEST_PICTURE
                    )
            except SlackError as error:
                await self._slack_failed(error, backoff, left)
        raise AssertionError("the last try returns or raises")

    # Made to fit

    async def _made_to_fit(self, data: IO[bytes], size: int, rules: str) -> _Ready:
        if size == 0:
            raise CannotSend("It is empty.")
        kind = await asyncio.to_thread(kind_of, data)
        works = PICTURES_ONLY if rules == "images" else EVERYTHING
        if kind is HEIC:
            raise CannotSend(
                "HEIC pictures cannot be converted here.", "Send it as a JPG or PNG picture."
            )
        if kind.picture:
            async with self._deps.drawing:
                try:
                    picture = await asyncio.to_thread(fit, data, size)
                except UnfitPicture as error:
                    raise CannotSend(
                        str(error), "Send a screenshot of it, or a smaller one."
                    ) from None
            return _Ready(picture.data, picture.kind, picture.preview)
        if rules == "images" or kind not in DOCUMENTS:
            raise CannotSend("Files of this type are not taken.", works)
        if size > LARGEST_DOCUMENT:
            raise _too_large(LARGEST_DOCUMENT)
        data.seek(0)
        return _Ready(data.read(), kind)

    # To LivePerson

    async def _put(self, row: Queued, ready: _Ready) -> str:
        try:
            return await self._hosted.put(ready.data, ready.kind.name)
        except ConnectionLost:
            self._hung_up = {row.id: self._hung_up.get(row.id, 0) + 1}
            raise
        except RequestRefused as error:
            if ready.kind in DOCUMENTS:
                raise CannotSend(
                    "This account does not take files of this type.", PICTURES_ONLY
                ) from error
            raise CannotSend(f"LivePerson refuses it ({error.status}: {error.body}).") from error
        except LivePersonError as error:
            log.info("file.not_put", session=self._record.row.id, error=error.code)
            again = "" if isinstance(error, Permanent) else "Send it again later."
            raise CannotSend(str(error), again) from error

    def _backoff(self) -> Backoff:
        return Backoff(first=self._deps.timings.retry_first, cap=8.0)


def _is_elsewhere(info: SharedFile) -> bool:
    return info.mode == "external" or info.is_external is True


def _address(info: SharedFile) -> str | None:
    return info.url_private_download or info.url_private


def _too_large(most: int) -> CannotSend:
    return CannotSend(
        f"It is larger than {most // 1_000_000} MB.", "Send a smaller one, or a link to it."
    )

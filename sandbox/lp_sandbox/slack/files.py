"""Files in a Slack workspace: shared by people, uploaded by the app, fetched with its token.

Sources: Slack's pages on files.getUploadURLExternal, files.completeUploadExternal and the file
object. What they leave open can be set on `Files`.
"""

from __future__ import annotations

import asyncio
import mimetypes
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

from lp_sandbox.wire import Wire

Mode = Literal["hosted", "external", "stub", "tombstone"]
SIGN_IN = "<!DOCTYPE html><html><head><title>Sign in | Slack</title></head><body></body></html>"
MOST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file as a person attaches it."""

    name: str
    data: bytes = b"\0" * 1024
    mode: Mode = "hosted"
    """`external`: it lies elsewhere, at `url`. `stub`: of a shared channel, so that the event says
    only that the app has to ask."""
    url: str | None = None
    size: int | None = None
    """What Slack says that it has, if not what it has."""
    unfinished: int = 0
    """How often Slack tells the app of it without an address, since it is not finished."""


@dataclass(slots=True)
class SlackFile:
    """A file."""

    id: str
    name: str
    user: str
    data: bytes | None = None
    """None: not uploaded yet."""
    title: str = ""
    mode: Mode = "hosted"
    url: str | None = None
    size: int | None = None
    unfinished: int = 0
    completed: bool = True
    """Uploads of an app exist only once they are completed."""
    deleted: bool = False
    shares: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """By channel."""
    visible_at: float = 0.0
    """From when on `files.info` tells of the shares."""

    @property
    def mimetype(self) -> str:
        """By its name, as Slack goes by that first."""
        return mimetypes.guess_type(self.name)[0] or "application/octet-stream"


class Files:
    """All files of a workspace."""

    def __init__(self, team: str, wire: Wire | None = None) -> None:
        self._team = team
        self._wire = wire
        self.base_url = ""
        self.by_id: dict[str, SlackFile] = {}
        self.redirect: Literal["origin", "elsewhere"] | None = None
        """Where downloads are sent on, as on an Enterprise Grid: to another address of Slack's, or
        to a host that is not Slack's."""
        self.leaked: list[str] = []
        """Tokens that came to the host that is not Slack's."""
        self.shown_after = 0.0
        """Seconds from completing an upload until its message is there."""
        self.shares_after = 0.0
        """Seconds from then on until `files.info` tells where it is shared."""
        self.again: Literal["shares", "refused"] = "refused"
        """What completing an upload a second time does."""
        self.unknown_until_completed = True
        """Whether `files.info` knows nothing of an upload that is not completed."""
        self.failing_uploads = 0
        """So many uploads are answered with 500."""
        self.uploads = 0
        """How often bytes were uploaded."""
        self._tickets: dict[str, tuple[str, int]] = {}

    # -- what people do ------------------------------------------------------------------------

    def attach(self, attached: str | Attachment, user: str) -> SlackFile:
        """Take a file that a person attaches to a message."""
        given = Attachment(attached) if isinstance(attached, str) else attached
        file = SlackFile(
            id=_new_id(),
            name=given.name,
            title=given.name,
            user=user,
            data=given.data,
            mode=given.mode,
            url=given.url,
            size=given.size,
            unfinished=given.unfinished,
        )
        self.by_id[file.id] = file
        return file

    def delete(self, file_id: str) -> None:
        """A person deletes a file."""
        self.by_id[file_id].deleted = True

    # -- what the app does ---------------------------------------------------------------------

    def reserve(self, name: str, size: int, user: str) -> tuple[str, str]:
        """A new id, and where to upload the bytes to."""
        file = SlackFile(_new_id(), name, user, completed=False, title=name)
        self.by_id[file.id] = file
        ticket = secrets.token_hex(12)
        self._tickets[ticket] = file.id, size
        return file.id, f"{self.base_url}/upload/v1/{self._team}/{ticket}"

    # -- how it looks --------------------------------------------------------------------------

    def told(self, file: SlackFile) -> dict[str, Any]:
        """A file as an event tells of it."""
        if file.mode == "stub":
            return {"id": file.id, "mode": "file_access", "file_access": "check_file_info"}
        return self.info(file)

    def info(self, file: SlackFile) -> dict[str, Any]:
        """A file as `files.info` does."""
        address = f"{self.base_url}/files-pri/{self._team}-{file.id}/{file.name}"
        shape: dict[str, Any] = {
            "id": file.id,
            "name": file.name,
            "title": file.title,
            "user": file.user,
            "mimetype": file.mimetype,
            "filetype": file.name.rpartition(".")[2].lower() or "binary",
            "mode": "hosted" if file.mode == "stub" else file.mode,
            "is_external": file.mode == "external",
            "size": len(file.data or b"") if file.size is None else file.size,
        }
        if file.mode == "external":
            return {**shape, "external_type": "gdrive", "url_private": file.url}
        if file.unfinished > 0:
            return shape
        return {**shape, "url_private": address, "url_private_download": address}

    # -- over HTTP -----------------------------------------------------------------------------

    def take_upload(self, ticket: str, data: bytes) -> web.Response:
        """Take the bytes of an upload."""
        if self.failing_uploads > 0:
            self.failing_uploads -= 1
            return web.Response(status=500, text="upstream error")
        found = self._tickets.get(ticket)
        if found is None:
            return web.Response(status=404, text="no such upload")
        file_id, size = found
        if len(data) != size:
            return web.Response(status=400, text="the length is another one")
        self.uploads += 1
        self.by_id[file_id].data = data
        return web.Response(text=f"OK - {size}")

    def give(self, request: web.Request, name: str, token: str) -> web.Response:
        """Give a file out to whoever has the token; anyone else gets a page to sign in."""
        at_home = request.host == self.base_url.partition("//")[2]
        authorization = request.headers.get("Authorization", "")
        if not at_home and authorization:
            self.leaked.append(authorization)
        file = self.by_id.get(name.partition("-")[2])
        if not at_home or authorization != f"Bearer {token}":
            return web.Response(text=SIGN_IN, content_type="text/html")
        if self.redirect is not None and request.path.startswith("/files-pri/"):
            base = self.base_url
            if self.redirect == "elsewhere":
                base = base.replace("127.0.0.1", "localhost")
            onwards = request.path.replace("/files-pri/", "/files-origin/", 1)
            return web.Response(status=302, headers={"Location": base + onwards})
        if file is None or file.deleted or file.data is None:
            return web.Response(status=404, text="no such file")
        return web.Response(body=file.data, content_type=file.mimetype)


class FileDoor:
    """The addresses at which bytes come and go, for the workspaces of one Slack."""

    def __init__(self, wire: Wire, find: Callable[[str], tuple[Files, str]]) -> None:
        """`find` gives the files and the app's token of a team."""
        self._wire = wire
        self._find = find

    def routes(self) -> Iterable[web.RouteDef]:
        """Give the routes."""
        return (
            web.get("/files-pri/{file}/{name}", self._give),
            web.get("/files-origin/{file}/{name}", self._give),
            web.post("/upload/v1/{team}/{ticket}", self._take),
        )

    async def _give(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["file"]
        files, token = self._find(name.partition("-")[0])
        answer = files.give(request, name, token)
        self._note("file", f"GET {name} → {answer.status}")
        return answer

    async def _take(self, request: web.Request) -> web.StreamResponse:
        data = bytearray()
        async for chunk in request.content.iter_any():
            data += chunk
            if len(data) > MOST_BYTES:
                return web.Response(status=413)
        files, _ = self._find(request.match_info["team"])
        answer = files.take_upload(request.match_info["ticket"], bytes(data))
        self._note("upload", f"{len(data)} bytes → {answer.status}")
        return answer

    def _note(self, what: str, title: str) -> None:
        self._wire.record("slack", "in", what, f"{what} {title}", None)


def later(seconds: float, do: Callable[[], None]) -> None:
    """Do something now, or after a while."""
    if seconds <= 0:
        do()
    else:
        asyncio.get_running_loop().call_later(seconds, do)


def _new_id() -> str:
    return f"F{secrets.token_hex(5).upper()}"

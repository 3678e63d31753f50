"""LivePerson's file storage: signed addresses that are good for a minute, PUT and GET.

Source: LivePerson's tutorial "File sharing". An address is signed for its path, its method and the
second at which it expires; anything else is answered with 401. A file that is put is answered with
201. Whether the storage checks the size that was told is not documented: it does not here.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import web

from lp_sandbox.liveperson.accounts import SandboxAccount
from lp_sandbox.liveperson.conversations import Refused
from lp_sandbox.liveperson.gate import Gate, refused
from lp_sandbox.liveperson.record import Record

Json = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

FOLDER = "/v1/AUTH_async-images"
PICTURES = frozenset({"JPG", "JPEG", "PNG", "GIF"})
DOCUMENTS = frozenset({"PDF", "DOCX", "PPTX", "XLSX"})
PICTURE_BYTES, DOCUMENT_BYTES = 3_000_000, 5_000_000
MOST_BYTES = 64 * 1024 * 1024
_MAGIC = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF", "application/pdf"),
)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in the storage."""

    path: str
    account: str
    data: bytes

    @property
    def content_type(self) -> str:
        """What a browser may draw; anything else is only saved."""
        found = (name for magic, name in _MAGIC if self.data.startswith(magic))
        return next(found, "application/octet-stream")


class FileStorage:
    """The files of all accounts. What LivePerson leaves open can be set here."""

    def __init__(self, record: Record, *, clock: Callable[[], float] = time.time) -> None:
        self._record = record
        self._clock = clock
        self._key = secrets.token_bytes(16)
        self.files: dict[str, StoredFile] = {}
        """By path."""
        self.seconds = 60.0
        """How long an address is good for."""
        self.answer_type: Literal["ms.BaseGenerateURLResponse", "ms.GenerateURLResponse"] = (
            "ms.BaseGenerateURLResponse"
        )
        """LivePerson's pages show both."""
        self.leading_slash = True
        """Whether a path begins with a slash, as in LivePerson's examples."""

    def keep(self, account: SandboxAccount, data: bytes, file_type: str) -> str:
        """Put a file there; gives its path."""
        path = self._new_path(account.number, file_type)
        self.files[_full(path)] = StoredFile(_full(path), account.number, data)
        return path

    def read(self, path: str) -> bytes:
        """What is there. Raises KeyError."""
        return self.files[_full(path)].data

    def has(self, path: str) -> bool:
        """Whether there is such a file."""
        return _full(path) in self.files

    def upload_address(self, account: SandboxAccount, size: int, file_type: str) -> Json:
        """A new path, and the right to put a file there.

        Refuses what is too large, and types that the account does not take.
        """
        if file_type not in PICTURES | DOCUMENTS:
            raise Refused(400, f"unknown file type {file_type[:20]!r}")
        if account.file_sharing is False or file_type not in PICTURES | account.documents:
            raise Refused(400, f"files of the type {file_type} are not allowed")
        if not 0 < size <= (PICTURE_BYTES if file_type in PICTURES else DOCUMENT_BYTES):
            raise Refused(400, "the file is too large")
        return self._signed(self._new_path(account.number, file_type), "PUT")

    def download_address(self, path: str) -> Json:
        """The right to fetch a file. Whether there is one, only the storage says."""
        return self._signed(path, "GET")

    def _new_path(self, account: str, file_type: str) -> str:
        path = f"{FOLDER}/{account}/{uuid.uuid4()}.{file_type}"
        return path if self.leading_slash else path.removeprefix("/")

    def _signed(self, path: str, method: str) -> Json:
        expires = str(int(self._clock() + self.seconds))
        signature = self._signature(_full(path), method, expires)
        return {
            "relativePath": path,
            "queryParams": {"temp_url_sig": signature, "temp_url_expires": expires},
        }

    def _signature(self, path: str, method: str, expires: str) -> str:
        signed = f"{method}\n{expires}\n{path}".encode()
        return hmac.new(self._key, signed, hashlib.sha1).hexdigest()

    # -- over HTTP -----------------------------------------------------------------------------

    def routes(self, gate: Gate) -> list[web.RouteDef]:
        """Give the routes."""
        path = f"{FOLDER}/{{account}}/{{name}}"
        return [
            web.get(path, self._through(gate, self._get), allow_head=False),
            web.put(path, self._through(gate, self._put)),
        ]

    def _through(self, gate: Gate, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            title = f"{request.method} {request.path}"
            self._record.call("in", "swift", title, None)
            spoilt = await gate.spoil("swift", request)
            answer = spoilt or (
                await handler(request) if self._allows(request) else refused(401, "invalid URL")
            )
            self._record.call("out", "swift", f"{title} → {answer.status}", None)
            return answer

        return handle

    def _allows(self, request: web.Request) -> bool:
        expires = request.query.get("temp_url_expires", "")
        given = request.query.get("temp_url_sig", "")
        if not (expires.isdecimal() and len(expires) < 15 and int(expires) >= self._clock()):
            return False
        wanted = self._signature(request.path, request.method, expires)
        return hmac.compare_digest(wanted.encode(), given.encode())

    async def _put(self, request: web.Request) -> web.StreamResponse:
        data = bytearray()
        async for chunk in request.content.iter_any():
            data += chunk
            if len(data) > MOST_BYTES:
                return refused(413, "too large")
        account = request.match_info["account"]
        self.files[request.path] = StoredFile(request.path, account, bytes(data))
        return web.Response(status=201)

    async def _get(self, request: web.Request) -> web.StreamResponse:
        found = self.files.get(request.path)
        if found is None:
            return refused(404, "no such file")
        return web.Response(body=found.data, content_type=found.content_type)


def _full(path: str) -> str:
    return "/" + path.lstrip("/")

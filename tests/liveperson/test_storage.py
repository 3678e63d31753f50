"""The client puts files into the sandbox's storage, fetches them, and knows what went wrong."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from bridge.liveperson.connection import Connection
from bridge.liveperson.domains import DomainDirectory
from bridge.liveperson.errors import (
    FileRefused,
    FileTooLarge,
    HostNotAllowed,
    RequestRefused,
    StorageUnavailable,
)
from bridge.liveperson.identity import IdentityProvider
from bridge.liveperson.ids import AccountId
from bridge.liveperson.site_settings import SiteSettings
from bridge.liveperson.storage import Storage, StorageAddress, read_address
from lp_sandbox.liveperson.server import LivePersonSandbox
from lp_sandbox.wire import Wire
from tests.liveperson.schemas import checker

TELECOM, BANK = AccountId("12345678"), AccountId("87654321")
DATA = b"\x89PNG" + bytes(200_000)


@dataclass
class Place:
    sandbox: LivePersonSandbox
    directory: DomainDirectory
    storage: Storage
    connection: Connection
    wire: Wire

    async def put(self, data: bytes = DATA, file_type: str = "PNG") -> StorageAddress:
        address = await self.connection.upload_address(len(data), file_type)
        await self.storage.put(TELECOM, address, data)
        return address

    async def fetch(self, path: str, longest: int = 1_000_000) -> bytes:
        into = io.BytesIO()
        address = await self.connection.download_address(path)
        await self.storage.fetch(TELECOM, address, into, longest=longest)
        return into.getvalue()


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    wire = Wire()
    async with LivePersonSandbox(wire) as sandbox, aiohttp.ClientSession() as http:
        directory = DomainDirectory(http, csds_url=sandbox.base_url, allowed_hosts=("127.0.0.1",))
        credentials = await IdentityProvider(directory).sign_in(TELECOM)
        async with Connection.open(
            directory, TELECOM, credentials, on_notification=lambda notification: None
        ) as connection:
            yield Place(sandbox, directory, Storage(directory), connection, wire)


@pytest.mark.parametrize("slash", [True, False])
async def test_a_file_is_put_shown_and_fetched(place: Place, slash: bool) -> None:
    place.sandbox.storage.leading_slash = slash
    conversation = await place.connection.request_conversation()
    address = await place.put()
    assert address.relative_path.startswith("/") is slash
    await place.connection.publish_file(
        conversation, address.relative_path, "PNG", caption="a", preview="data:x", external_id="m"
    )
    [event] = place.sandbox.transcript(conversation)
    assert event.event["message"] == {
        "caption": "a",
        "relativePath": address.relative_path,
        "fileType": "PNG",
        "preview": "data:x",
    }
    assert await place.fetch(address.relative_path) == DATA


async def test_the_answers_are_as_the_schema_has_them(place: Place) -> None:
    await place.put()
    answers = [
        entry.body
        for entry in place.wire.entries()
        if entry.direction == "out" and "GenerateURL" in entry.title
    ]
    assert [each["type"] for each in answers] == ["ms.BaseGenerateURLResponse"]
    assert [checker("ms/GenerateURLRespBody.json")(each["body"]) for each in answers] == [[]]


async def test_an_address_is_good_for_its_time_and_its_method_only(place: Place) -> None:
    address = await place.put()
    with pytest.raises(FileRefused) as told:
        await place.storage.fetch(TELECOM, address, io.BytesIO(), longest=1_000_000)
    assert told.value.status == 401
    assert told.value.expired
    place.sandbox.storage.seconds = -5
    late = await place.connection.upload_address(3, "PNG")
    with pytest.raises(FileRefused, match="401"):
        await place.storage.put(TELECOM, late, b"abc")


async def test_what_is_too_large_is_not_read_to_its_end(place: Place) -> None:
    address = await place.put()
    with pytest.raises(FileTooLarge):
        await place.fetch(address.relative_path, longest=1000)
    with pytest.raises(RequestRefused, match="too large"):
        await place.connection.upload_address(3_000_001, "JPG")


async def test_what_is_missing_or_broken(place: Place) -> None:
    with pytest.raises(FileRefused, match="404"):
        await place.fetch("/v1/AUTH_async-images/12345678/none.PNG")
    address = await place.put()
    place.sandbox.faults.http_status("swift", 503)
    with pytest.raises(StorageUnavailable, match="503"):
        await place.fetch(address.relative_path)
    place.sandbox.faults.http_status("swift", 302)
    with pytest.raises(FileRefused, match="302"):
        await place.fetch(address.relative_path)
    place.sandbox.faults.http_reset("swift", times=2)  # a GET is tried again by itself
    with pytest.raises(StorageUnavailable) as told:
        await place.fetch(address.relative_path)
    assert "temp_url_sig" not in str(told.value)


async def test_a_storage_elsewhere_is_not_asked(place: Place) -> None:
    stranger = AccountId("66600000")
    with pytest.raises(HostNotAllowed):
        await place.storage.put(stranger, StorageAddress("/x"), b"abc")


@pytest.mark.parametrize(
    "path", ["@evil.example/x", "//evil.example/x", "/../../x", "http://evil.example/"]
)
async def test_a_path_leads_to_no_other_host(place: Place, path: str) -> None:
    with pytest.raises(FileRefused, match=r"40[14]"):
        await place.storage.fetch(TELECOM, StorageAddress(path), io.BytesIO(), longest=10)


@pytest.mark.parametrize(
    "body", [{}, {"relativePath": ""}, {"relativePath": "a\nb"}, {"relativePath": "x" * 2000},
             {"relativePath": "/x", "queryParams": {"a": "x" * 9000}}]
)  # fmt: skip
def test_an_answer_without_a_usable_address_is_a_refusal(body: dict[str, Any]) -> None:
    with pytest.raises(RequestRefused):
        read_address("ms.GenerateURLForUploadFile", body)


async def test_an_accounts_settings_say_whether_it_takes_files(place: Place) -> None:
    settings = SiteSettings(place.directory)
    assert await settings.takes_files(TELECOM) is True
    place.sandbox.accounts["87654321"].file_sharing = False
    assert await settings.takes_files(BANK) is False
    fresh = SiteSettings(place.directory)
    place.sandbox.accounts["87654321"].file_sharing = None
    assert await fresh.takes_files(BANK) is None
    place.sandbox.faults.http_status("accdn", 500)
    assert await SiteSettings(place.directory).takes_files(TELECOM) is None


async def test_documents_only_where_the_account_takes_them(place: Place) -> None:
    assert await place.put(b"%PDF-1", "PDF")
    place.sandbox.accounts["12345678"].documents = frozenset()
    with pytest.raises(RequestRefused, match="PDF are not allowed"):
        await place.connection.upload_address(6, "PDF")

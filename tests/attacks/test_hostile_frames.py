"""A server sends what LivePerson never sends: other connections are not affected.

The bounds are generous, since they are times; what they guard against took tens of seconds, or all
the memory there is.
"""

from __future__ import annotations

import contextlib
import json
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import Column, String

from bridge.liveperson import bounds, frames
from bridge.liveperson.errors import ProtocolViolation, given_up
from bridge.liveperson.upgrade import MAX_FRAME
from bridge.slack.views.troubles import trouble
from bridge.store.models import DIALOGS, INBOX, OUTBOX, SESSIONS
from tests.attacks.victims import unharmed
from tests.liveperson.standin import (
    StandIn,
    conversation_change,
    conversations,
    events,
    text_change,
)

MIB = 1024 * 1024

Attack = Callable[["Enemy"], Awaitable[None]]


class Enemy:
    """One websocket of a hostile server, below aiohttp's own idea of frames."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        assert socket._req is not None
        assert socket._req.transport is not None
        self._socket = socket
        self.transport = socket._req.transport

    async def raw(self, data: bytes) -> None:
        """Send bytes as they are, as fast as they are taken."""
        writer = self._socket._writer
        assert writer is not None
        if writer.transport is None or writer.transport.is_closing():
            raise ConnectionError
        writer.transport.write(data)
        await writer.protocol._drain_helper()

    async def frame(self, payload: bytes, *, opcode: int = 0x81) -> None:
        """Send one frame; the opcode's byte has the flags too."""
        size = len(payload)
        if size < 126:
            head = struct.pack("!BB", opcode, size)
        elif size < 65536:
            head = struct.pack("!BBH", opcode, 126, size)
        else:
            head = struct.pack("!BBQ", opcode, 127, size)
        await self.raw(head + payload)


@pytest.fixture
async def liveperson() -> AsyncIterator[StandIn]:
    standin = StandIn()
    await standin.start()
    try:
        yield standin
    finally:
        await standin.stop()


async def attacked(liveperson: StandIn, attack: Attack, *, seconds: float = 20) -> dict[str, Any]:
    """Have a process of its own connect and be attacked; gives what it says of itself."""

    async def on_open(socket: web.WebSocketResponse) -> None:
        with contextlib.suppress(ConnectionError):  # the victim has hung up
            await attack(Enemy(socket))

    liveperson.on_open = on_open
    (found,) = await unharmed(seconds, liveperson.url)
    return found


def notification(inner: bytes) -> bytes:
    """A frame of events, its elements as they are."""
    head = b'{"kind":"notification","type":"ms.MessagingEventNotification","body":{"changes":['
    return head + inner + b"]}}"


def filled(item: bytes, size: int = MAX_FRAME - 1_000) -> bytes:
    return b",".join([item] * (size // (len(item) + 1)))


OVERFULL = {
    "empty elements": notification(filled(b"{}")),
    "numbers": notification(filled(b"1")),
    "values in one event": notification(
        b'{"dialogId":"d","sequence":1,"event":{"type":"RichContentEvent","content":{"a":['
        + filled(b"[]")
        + b"]}}}"
    ),
    "changes": notification(filled(b'{"dialogId":"d"}', 20 * (bounds.MOST_CHANGES + 2))),
    "half emojis among many": notification(filled(b"{}") + b',"\\ud83d"'),
    "depth": notification(b"[" * 100_000 + b"]" * 100_000),
    "depth of an answer": b'{"kind":"resp","reqId":"1","code":200,"body":'
    + b"[" * 100_000
    + b"]" * 100_000
    + b"}",
    "dialogs": json.dumps(
        conversations(conversation_change(dialogs=[{"dialogId": "d"}] * 100_000))
    ).encode(),
}


@pytest.mark.parametrize("frame", OVERFULL.values(), ids=OVERFULL.keys())
async def test_overfull_frame_ends_the_connection(liveperson: StandIn, frame: bytes) -> None:
    assert len(frame) < MAX_FRAME
    found = await attacked(liveperson, lambda enemy: enemy.frame(frame))
    assert found["ended"] == "protocol_violation"


async def test_frame_beyond_the_limit_is_not_waited_for(liveperson: StandIn) -> None:
    async def attack(enemy: Enemy) -> None:
        await enemy.raw(struct.pack("!BBQ", 0x81, 127, 2**40))
        for _ in range(200):
            await enemy.raw(bytes(MIB))

    found = await attacked(liveperson, attack)
    assert found["ended"] == "protocol_violation"


async def test_an_endless_message_in_parts_is_a_protocol_violation(liveperson: StandIn) -> None:
    async def attack(enemy: Enemy) -> None:
        await enemy.frame(b"[", opcode=0x01)
        for _ in range(3_000):
            await enemy.frame(b" " * 65_000, opcode=0x00)

    found = await attacked(liveperson, attack)
    assert found["ended"] == "protocol_violation"


async def test_compression_is_not_spoken(liveperson: StandIn) -> None:
    """4 GiB, compressed to 4 MiB: compression was not negotiated, so nothing is unpacked."""

    async def attack(enemy: Enemy) -> None:
        squeezed = zlib.compressobj(wbits=-15)
        bomb = b"".join(squeezed.compress(bytes(MIB)) for _ in range(1_000))
        await enemy.frame(bomb + squeezed.flush(zlib.Z_SYNC_FLUSH), opcode=0xC1)

    found = await attacked(liveperson, attack)
    assert found["ended"] == "connection_lost"
    (upgrade,) = liveperson.upgrades
    assert "Sec-WebSocket-Extensions" not in upgrade


@pytest.mark.parametrize("frame", [b"\x81\x00", b"\x89\x00"], ids=["messages", "pings"])
async def test_a_flood_of_tiny_frames_harms_nobody_else(liveperson: StandIn, frame: bytes) -> None:
    async def attack(enemy: Enemy) -> None:
        for _ in range(200):
            await enemy.raw(frame * (MIB // 2))

    found = await attacked(liveperson, attack, seconds=5)
    assert found["ended"] == "not"


async def test_a_flood_of_good_frames_harms_nobody_else(liveperson: StandIn) -> None:
    """Each frame could be LivePerson's; all together would take the whole process."""
    change = (
        b'{"dialogId":"not-ours","sequence":7,"originatorId":"a","serverTimestamp":1,'
        b'"event":{"type":"ContentEvent","contentType":"text/plain","message":"hello"}}'
    )
    frame = notification(filled(change, 2 * MIB))

    async def attack(enemy: Enemy) -> None:
        for _ in range(500):
            await enemy.frame(frame)

    found = await attacked(liveperson, attack, seconds=5)
    assert found["ended"] == "not"
    assert found["heard"] > 0


async def test_who_reads_no_pong_is_left(liveperson: StandIn) -> None:
    async def attack(enemy: Enemy) -> None:
        enemy.transport.pause_reading()
        for _ in range(200):
            await enemy.raw((b"\x89\x7d" + bytes(125)) * 8_000)

    found = await attacked(liveperson, attack)
    assert found["ended"] == "closed_at_once"


async def test_what_was_said_before_the_end_is_heard_whole(liveperson: StandIn) -> None:
    """Read slice by slice, but in order, and to the close code."""
    frames = [json.dumps(events(*map(text_change, "abc", range(3)))).encode()] * 500

    async def attack(enemy: Enemy) -> None:
        head = [struct.pack("!BBH", 0x81, 126, len(frame)) for frame in frames]
        said = b"".join(a + b for a, b in zip(head, frames, strict=True))
        await enemy.raw(said + b"\x88\x02" + struct.pack("!H", 4401))
        enemy.transport.close()

    found = await attacked(liveperson, attack)
    assert (found["ended"], found["heard"]) == ("token_expired", 1_500)


# Ids and numbers that have no place: the good beside them is heard.

UNUSABLE: list[Any] = ["", "x" * 65, "a\0b", "a\nb", "\x7f", "a\ud800", 5, None, ["a"], "\u202e"]


@pytest.mark.parametrize("bad", UNUSABLE)
def test_id_that_cannot_be_kept_is_nobodys(bad: Any) -> None:
    good = {"dialogId": "ours", "sequence": 1, "event": {"type": "ContentEvent", "message": "a"}}
    frame = events({**good, "dialogId": bad}, good)
    found = frames.decode(json.dumps(frame))
    assert isinstance(found, frames.MessagingEvents)
    assert [change.dialog_id for change in found.changes] in (["ours"], ["a?", "ours"])

    change = conversation_change(dialogs=[{"dialogId": bad}, {"dialogId": "ours"}])
    frame = conversations({"result": {"convId": bad}}, change)
    noted = frames.decode(json.dumps(frame))
    assert isinstance(noted, frames.ConversationChanges)
    assert "ours" in [dialog.dialog_id for dialog in noted.changes[-1].dialogs]
    for each in noted.changes:
        assert len(each.conversation_id) <= 64
        assert each.conversation_id.isprintable()


@pytest.mark.parametrize("bad", [-1, 2**53 + 1, 2**63, 10**30, 1.5, "7", True, None])
def test_sequence_that_nobody_counts_to_has_no_place(bad: Any) -> None:
    good = {"dialogId": "ours", "sequence": 2**53, "event": {"type": "ContentEvent"}}
    found = frames.decode(json.dumps(events({**good, "sequence": bad}, good)))
    assert isinstance(found, frames.MessagingEvents)
    assert [change.sequence for change in found.changes] == [2**53]


def test_words_that_are_too_long_are_not_taken_over() -> None:
    long = "x" * 300
    frame = conversations(
        conversation_change(
            long,
            stage=long,
            closeReason="a\0",
            delay={"tillWhen": 2**60},
            participants=[{"id": "agent", "role": long}, {"id": "a" * 129, "role": "AGENT"}],
            dialogs=[{"dialogId": "d", "dialogType": long, "state": "\0"}],
        )
    )
    found = frames.decode(json.dumps(frame))
    assert isinstance(found, frames.ConversationChanges)
    (change,) = found.changes
    assert (change.state, change.stage, change.close_reason) == ("", None, None)
    assert change.delay_until is None
    assert change.participants == (frames.Participant("agent", ""),)
    assert change.dialogs == (frames.DialogInfo("d", None, None, None, None),)


@pytest.mark.parametrize(
    ("longest", "columns"),
    [
        (bounds.LONGEST_ID, [DIALOGS.c.dialog_id, SESSIONS.c.conversation_id, INBOX.c.dialog_id]),
        (bounds.LONGEST_ID, [OUTBOX.c.dialog_id]),
        (bounds.LONGEST_PERSON, [SESSIONS.c.consumer_id, SESSIONS.c.agent_id]),
        (bounds.LONGEST_WORD, [DIALOGS.c.dialog_type]),
    ],
)
def test_what_is_taken_fits_its_columns(longest: int, columns: list[Column[str]]) -> None:
    for column in columns:
        assert isinstance(column.type, String)
        assert column.type.length is not None
        assert column.type.length >= longest


def test_person_is_told_what_it_means() -> None:
    assert isinstance(given_up(1009, ""), ProtocolViolation)
    assert trouble(ProtocolViolation.code) is not trouble("anything else")

"""One websocket to LivePerson's messaging service (UMS, docs/liveperson-protocol.md §3).

It matches responses to requests, hands notifications on, sends pings, and tells what the end of the
socket means. It does not reconnect: its owner decides that, and what to send again.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

from websockets.exceptions import ConnectionClosed

from bridge.liveperson import frames, requests
from bridge.liveperson.bounds import identifier, number
from bridge.liveperson.consumer_profile import ConsumerProfile
from bridge.liveperson.domains import DomainDirectory
from bridge.liveperson.errors import (
    VIOLATION,
    ConnectionLost,
    ProtocolViolation,
    RequestRefused,
    RequestTimeout,
    ServerFailed,
    Throttled,
    UnreadableAnswer,
    connection_lost,
    given_up,
)
from bridge.liveperson.frames import BadFrame, Notification, Response
from bridge.liveperson.identity import Credentials
from bridge.liveperson.ids import AccountId, ConsumerId, ConversationId
from bridge.liveperson.requests import ClientProperties, Request
from bridge.liveperson.socket import Socket
from bridge.liveperson.storage import StorageAddress, read_address
from bridge.liveperson.upgrade import upgrade

AT_ONCE = 10.0
"""A close within so many seconds and before any frame counts as "at once"."""

logger = logging.getLogger(__name__)

_JWT = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*", re.ASCII)

OnFrame = Callable[[Literal["sent", "received"], str], None]


class Wait:
    """A wait for an answer, which can be shortened meanwhile."""

    __slots__ = ("_answer", "_asked", "_timer")

    def __init__(self) -> None:
        self._asked = ""
        self._answer: asyncio.Future[Response] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, asked: str, seconds: float) -> asyncio.Future[Response]:
        """Begin to wait for the answer to this type of request. The future gets it, or an error."""
        self._asked = asked
        self._answer = asyncio.get_running_loop().create_future()
        self.shorten(seconds)
        return self._answer

    def shorten(self, seconds: float) -> None:
        """Wait only for so many seconds from now on."""
        self.end()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._expire, seconds)

    def end(self) -> None:
        """Stop waiting."""
        if self._timer is not None:
            self._timer.cancel()

    def _expire(self, seconds: float) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(
                RequestTimeout(f"LivePerson did not answer {self._asked} within {seconds:g} s.")
            )


class Connection:
    """An open websocket of one consumer. Made by `Connection.open`."""

    __slots__ = (
        "_account",
        "_answers",
        "_bad_frame_seen",
        "_closed",
        "_heard",
        "_ids",
        "_on_frame",
        "_on_notification",
        "_opened_at",
        "_request_timeout",
        "_socket",
        "consumer_id",
    )

    def __init__(
        self,
        socket: Socket,
        account: AccountId,
        consumer_id: ConsumerId,
        *,
        on_notification: Callable[[Notification], None],
        on_frame: OnFrame | None,
        request_timeout: float,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.consumer_id = consumer_id
        self._socket = socket
        self._account = account
        self._on_notification = on_notification
        self._on_frame = on_frame
        self._request_timeout = request_timeout
        self._ids = itertools.count(1)
        self._answers: dict[str, asyncio.Future[Response]] = {}
        self._closed: asyncio.Future[ConnectionLost] = loop.create_future()
        self._opened_at = loop.time()
        self._heard = False
        self._bad_frame_seen = False
        socket.listen(self._receive, self._end)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        directory: DomainDirectory,
        account: AccountId,
        credentials: Credentials,
        *,
        on_notification: Callable[[Notification], None],
        on_frame: OnFrame | None = None,
        client: ClientProperties = requests.BRIDGE,
        open_timeout: float = 10.0,
        request_timeout: float = 20.0,
        ping_interval: float = 45.0,
        ping_timeout: float = 15.0,
    ) -> AsyncIterator[Connection]:
        """Open a websocket that lasts for an `async with`. All times are seconds.

        `on_notification` is called in the order of arrival and must be quick; if it raises, that is
        logged and the connection goes on. `on_frame` sees every frame as text, tokens
        taken out; it must not raise.

        Raises SocketRefused, TokenExpired (401), Throttled (429), ConnectionLost (anything else),
        and what a domain look-up raises.
        """
        socket = await upgrade(
            directory,
            account,
            credentials.jwt,
            client,
            open_timeout=open_timeout,
            ping_interval=ping_interval,
            ping_timeout=ping_timeout,
        )
        consumer = ConsumerId(credentials.consumer_id)
        connection = cls(
            socket,
            account,
            consumer,
            on_notification=on_notification,
            on_frame=on_frame,
            request_timeout=request_timeout,
        )
        try:
            yield connection
        finally:
            try:
                await socket.close()
            finally:
                socket.transport.abort()

    # The end

    @property
    def closed(self) -> bool:
        """Whether the websocket is closed."""
        return self._closed.done()

    async def wait_closed(self) -> ConnectionLost:
        """Wait until the websocket is closed; returns an error that says what that means."""
        return await asyncio.shield(self._closed)

    def on_closed(self, callback: Callable[[], None]) -> None:
        """Call `callback` once the websocket is closed (soon, if it is closed already)."""
        self._closed.add_done_callback(lambda _: callback())

    # Requests. Each raises RequestRefused (4xx) or Throttled (429), after which it is not done, or
    # an OutcomeUnknown (ServerFailed, RequestTimeout, ConnectionLost): it may be done or not.

    async def get_clock(self) -> int:
        """Ask for the server's time, in milliseconds since 1970 (0 if it does not say).

        Also a barrier: the server answers one socket's requests in order.
        """
        body = await self._ask(requests.get_clock())
        time = body.get("currentTime")
        return time if type(time) is int else 0

    async def request_conversation(
        self,
        *,
        skill_id: str | None = None,
        campaign_id: str | None = None,
        engagement_id: str | None = None,
        lang: str | None = None,
    ) -> ConversationId:
        """Open a conversation. A consumer has at most one open: look for it first if unsure."""
        request = requests.request_conversation(
            self._account,
            skill_id=skill_id,
            campaign_id=campaign_id,
            engagement_id=engagement_id,
            lang=lang,
        )
        return ConversationId(_id(request, await self._ask(request), "conversationId"))

    async def set_profile(self, profile: ConsumerProfile) -> None:
        """Say who the consumer is; the agent sees it. Saying it again replaces it."""
        await self._ask(requests.set_profile(profile))

    async def publish_text(
        self,
        dialog_id: str,
        text: str,
        *,
        external_id: str | None = None,
        metadata: str | None = None,
        timeout: float | None = None,
        wait: Wait | None = None,
    ) -> int | None:
        """Publish a message in a dialog; returns its sequence there, if LivePerson tells it.

        `external_id`: our name for it (1 to 64 characters), which LivePerson may repeat.
        `metadata`: JSON that goes along as it is: that of a button whose press says this.
        `timeout`: seconds, instead of the connection's; `wait` can shorten them meanwhile.
        """
        request = requests.publish_text(dialog_id, text, external_id=external_id, metadata=metadata)
        return number((await self._ask(request, timeout, wait)).get("sequence"))

    async def publish_receipt(
        self,
        dialog_id: str,
        status: Literal["ACCEPT", "READ", "ACTION"],
        sequences: Sequence[int],
        *,
        metadata: str | None = None,
        timeout: float | None = None,
        wait: Wait | None = None,
    ) -> int | None:
        """Publish a receipt: events have arrived (ACCEPT), were seen (READ), or a button in one was
        pressed (ACTION, with the button's `metadata` as it came).

        Receipts and messages are numbered together. Returns the receipt's sequence, if LivePerson
        tells it: everything that the dialog held before has a lower one.
        """
        request = requests.publish_receipt(dialog_id, status, sequences, metadata=metadata)
        return number((await self._ask(request, timeout, wait)).get("sequence"))

    async def publish_file(
        self,
        dialog_id: str,
        relative_path: str,
        file_type: str,
        *,
        caption: str = "",
        preview: str | None = None,
        external_id: str | None = None,
        wait: Wait | None = None,
    ) -> int | None:
        """Publish a file that was put into the storage; otherwise as `publish_text`.

        `preview`: a small picture of it as a `data:` URL, below 30 KB.
        """
        request = requests.publish_file(
            dialog_id,
            relative_path,
            file_type,
            caption=caption,
            preview=preview,
            external_id=external_id,
        )
        return number((await self._ask(request, None, wait)).get("sequence"))

    async def upload_address(self, size: int, file_type: str) -> StorageAddress:
        """Ask where a file of so many bytes may be put. The address is good for a minute."""
        request = requests.upload_address(size, file_type)
        return read_address(request.type, await self._ask(request))

    async def download_address(self, relative_path: str) -> StorageAddress:
        """Ask where a file can be fetched. The address is good for a minute."""
        request = requests.download_address(relative_path)
        return read_address(request.type, await self._ask(request))

    async def subscribe_events(self, dialog_id: str, from_seq: int) -> None:
        """Get the dialog's events from sequence `from_seq` on as notifications, and new ones."""
        await self._ask(requests.subscribe_events(dialog_id, from_seq))

    async def subscribe_conversations(
        self, *, states: Sequence[str] = ("OPEN",), since_ms: int = 0
    ) -> str:
        """Get the consumer's conversations and their changes as notifications.

        Returns the subscription's id. `states`: OPEN, CLOSE. `since_ms`: leave out conversations
        that have not changed since (milliseconds since 1970).
        """
        request = requests.subscribe_conversations(states, since_ms)
        return _id(request, await self._ask(request), "subscriptionId")

    async def unsubscribe_conversations(self, subscription_id: str) -> None:
        """End a subscription that `subscribe_conversations` has made."""
        await self._ask(requests.unsubscribe_conversations(subscription_id))

    async def close_dialog(self, conversation_id: str, dialog_id: str) -> None:
        """End a dialog. After the main one a survey may come, in a dialog of its own."""
        await self._ask(requests.close_dialog(conversation_id, dialog_id))

    async def end_conversation(self, conversation_id: str) -> None:
        """End a conversation with all its dialogs: no survey comes, or it is over."""
        await self._ask(requests.end_conversation(conversation_id))

    async def set_ttr(self, conversation_id: str, ttr: str, seconds: int) -> None:
        """Say how soon an answer is wanted: `ttr` URGENT, NORMAL, …, and in how many seconds."""
        await self._ask(requests.set_ttr(conversation_id, ttr, seconds))

    async def rate(
        self,
        conversation_id: str,
        rating: int | None,
        *,
        resolved: bool | None,
        whole: bool = False,
    ) -> None:
        """Rate a conversation that is over, from 1 to 5, and say whether it helped.

        None for what is not known; without a rating, that nobody wanted to rate it. `whole`: leave
        no field of a rating out, if LivePerson insists.
        """
        request = requests.rate(conversation_id, rating, resolved=resolved, whole=whole)
        await self._ask(request)

    async def close_conversation(self, conversation_id: str) -> None:
        """Close a conversation, if this connection does not claim MULTI_DIALOG."""
        await self._ask(requests.close_conversation(conversation_id))

    # How it works

    async def _ask(
        self, request: Request, timeout: float | None = None, wait: Wait | None = None
    ) -> dict[str, Any]:
        """Send a request; returns its answer's body (empty unless it is an object)."""
        if self._closed.done():
            raise _again(self._closed.result())
        request_id = str(next(self._ids))
        wait = wait if wait is not None else Wait()
        answer = wait.begin(request.type, self._request_timeout if timeout is None else timeout)
        self._answers[request_id] = answer
        try:
            frame = requests.encode(request, request_id)
            if self._on_frame is not None:
                self._show("sent", frame)
            self._socket.send(frame)  # if the socket is closing, its end answers all requests
            response = await answer
        finally:
            wait.end()
            del self._answers[request_id]
        return _body(request, response)

    def _end(self, closed: ConnectionClosed) -> None:
        """Hand the end of the websocket to all who wait."""
        lost = self._meaning(closed)
        if not self._closed.done():
            self._closed.set_result(lost)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(_again(lost))

    def _receive(self, raw: bytes) -> None:
        self._heard = True
        if self._on_frame is not None:
            self._show("received", raw)
        try:
            frame = frames.decode(raw)
        except ProtocolViolation as error:
            self._socket.disconnect(error.reason)  # the end of the socket tells all who wait
            return
        except BadFrame as error:
            if not self._bad_frame_seen:
                self._bad_frame_seen = True
                logger.warning("a frame from LivePerson is ignored: %s", error)
            return
        if isinstance(frame, Response):
            answer = self._answers.get(frame.request_id)
            if answer is not None and not answer.done():
                answer.set_result(frame)
        elif frame is not None:
            try:
                self._on_notification(frame)
            except Exception:  # an error in the owner's callback must not end the socket
                logger.exception("a notification from LivePerson could not be handled")

    def _meaning(self, closed: ConnectionClosed) -> ConnectionLost:
        lived = asyncio.get_running_loop().time() - self._opened_at
        at_once = not self._heard and lived < AT_ONCE
        if closed.rcvd is not None and (closed.sent is None or closed.rcvd_then_sent):
            return connection_lost(closed.rcvd.code, closed.rcvd.reason, at_once=at_once)
        if closed.sent is not None:  # this side closed it, or gave it up
            return given_up(closed.sent.code, closed.sent.reason)
        return connection_lost(None, "cut without a goodbye", at_once=at_once)

    def _show(self, direction: Literal["sent", "received"], raw: bytes) -> None:
        if self._on_frame is not None:
            self._on_frame(direction, redacted(raw.decode("utf-8", "replace")))


def redacted(text: str) -> str:
    """Take tokens out of a frame's text."""
    return _JWT.sub("(token)", text)


def _again(lost: ConnectionLost) -> ConnectionLost:
    """A copy of an exception: if all waiters shared one, it would collect all their tracebacks."""
    return type(lost)(
        lost.close_code, lost.reason, at_once=lost.at_once, retry_after=lost.retry_after
    )


def _body(request: Request, response: Response) -> dict[str, Any]:
    """Return the body of a successful answer; raise the error that another one means."""
    body = frames.body_of(response)
    code = response.code
    if code < 400:
        return body if isinstance(body, dict) else {}
    words = redacted(
        body if isinstance(body, str) else bytes(response.body).decode("utf-8", "replace")
    )
    if code == 429:
        raise Throttled(f"LivePerson asks us to slow down at {request.type}.", retry_after=1.0)
    if code < 500:
        raise RequestRefused(request.type, code, words)
    raise ServerFailed(request.type, code, words)


def _id(request: Request, body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise UnreadableAnswer(f"LivePerson's answer to {request.type} has no {name}.")
    if identifier(value) is None:
        raise ProtocolViolation(VIOLATION, f"an answer to {request.type} with an impossible id")
    return value

"""What can be made to go wrong with LivePerson, from tests, from the page and over HTTP.

Some faults happen at once to the open websockets (`drop_sockets`, `expire_tokens`, …). The others
apply to the next `times` occasions (None: until `clear`). All can be limited to an account or a
conversation. They affect only consumers, not agents' sockets.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Collection
from typing import Any, Literal, Protocol, TypedDict, Unpack

from lp_sandbox.liveperson.conversations import Conversations
from lp_sandbox.liveperson.event_feed import EVENTS, SUBSCRIBE
from lp_sandbox.liveperson.rules import Rule, Rules
from lp_sandbox.liveperson.tokens import Tokens

Service = Literal["csds", "idp", "accdn", "ums", "agentVep", "swift"]
NAMES = (
    "drop_sockets",
    "close_sockets",
    "expire_tokens",
    "half_open",
    "half_open_next",
    "push",
    "http_status",
    "http_reset",
    "hold_http",
    "release_http",
    "refuse_request",
    "drop_before",
    "swallow_answer",
    "slow_answer",
    "duplicate_notifications",
    "lose_notifications",
    "delay_notifications",
    "reorder_notifications",
    "batch_notifications",
    "lose_replays",
    "delay_replays",
    "cut_replays",
    "clear",
)


class When(TypedDict, total=False):
    """Limits a fault that waits for its occasions."""

    times: int | None
    """How often it happens (1); None: until `clear`."""
    after: int
    """How many occasions pass unharmed first (0)."""
    account: str | None
    conversation: str | None


class UnknownFault(ValueError):  # noqa: N818  it is an answer, not an error
    """`apply` was given a name or parameters that no fault has."""


class OpenSocket(Protocol):
    """What faults do to a consumer's websocket."""

    @property
    def account(self) -> str: ...
    @property
    def conversations(self) -> Collection[str]: ...
    def abort(self) -> None: ...
    def end(self, code: int, reason: str = "") -> None: ...
    def expire(self) -> None: ...
    def fall_silent(self) -> None: ...
    def push(self, text: str) -> None: ...


class LivePersonFaults:
    """Switches for everything that the bridge must survive."""

    def __init__(
        self,
        rules: Rules,
        tokens: Tokens,
        conversations: Conversations,
        sockets: Callable[[], Collection[OpenSocket]],
    ) -> None:
        self._rules = rules
        self._tokens = tokens
        self._conversations = conversations
        self._sockets = sockets
        self._held: list[asyncio.Event] = []
        """Events that release the calls that are held back."""

    def apply(self, name: str, **params: Any) -> Any:
        """Call a fault by its name; raises `UnknownFault`."""
        if name not in NAMES:
            raise UnknownFault(f"no fault is called {name!r}; there are: {', '.join(NAMES)}")
        fault = getattr(self, name)
        known = set(inspect.signature(fault).parameters)
        if "when" in known:
            known |= set(When.__annotations__)
        if strange := sorted(params.keys() - known):
            raise UnknownFault(f"{name} has no parameter {strange[0]!r}")
        try:
            inspect.signature(fault).bind(**params)
        except TypeError as problem:
            raise UnknownFault(f"{name}: {problem}") from None
        return fault(**params)

    def waiting(self) -> list[Rule]:
        """The faults that have not happened yet."""
        return self._rules.waiting()

    def clear(self) -> None:
        """Forget the faults that have not happened yet. Silent sockets stay silent."""
        self._rules.clear()

    # -- at once, to the open sockets ----------------------------------------------------------

    def _matching(self, account: str | None, conversation: str | None) -> list[OpenSocket]:
        return [
            socket
            for socket in self._sockets()
            if account in (None, socket.account)
            and (conversation is None or conversation in socket.conversations)
        ]

    def drop_sockets(self, *, account: str | None = None, conversation: str | None = None) -> int:
        """Cut connections without a close frame; says how many."""
        sockets = self._matching(account, conversation)
        for socket in sockets:
            socket.abort()
        return len(sockets)

    def close_sockets(
        self,
        code: int = 1001,
        reason: str = "",
        *,
        account: str | None = None,
        conversation: str | None = None,
    ) -> int:
        """Close websockets with a code; the tokens stay valid. Says how many."""
        sockets = self._matching(account, conversation)
        for socket in sockets:
            socket.end(code, reason)
        return len(sockets)

    def expire_tokens(self, *, account: str | None = None, conversation: str | None = None) -> int:
        """Let the consumers' tokens count as expired, external ones too, and close their sockets.

        4401 for those who signed up, 4407 for anonymous ones. Says how many sockets were closed.
        """
        consumer = None
        if conversation is not None:
            found = self._conversations.get(conversation)
            account, consumer = found.account.number, found.consumer_id
        self._tokens.expire(account, consumer)
        sockets = self._matching(account, conversation)
        for socket in sockets:
            socket.expire()
        return len(sockets)

    def half_open(self, *, account: str | None = None, conversation: str | None = None) -> int:
        """Keep open sockets connected but silent, without even a pong. Says how many."""
        sockets = self._matching(account, conversation)
        for socket in sockets:
            socket.fall_silent()
        return len(sockets)

    def push(
        self, text: str, *, account: str | None = None, conversation: str | None = None
    ) -> int:
        """Send any raw text frame; says to how many sockets."""
        sockets = self._matching(account, conversation)
        for socket in sockets:
            socket.push(text)
        return len(sockets)

    # -- waiting for their occasion ------------------------------------------------------------

    def half_open_next(self, **when: Unpack[When]) -> None:
        """Accept the next sockets, and then never answer."""
        self._add("half_open_next", "ums", when)

    def http_status(
        self,
        service: Service,
        status: int,
        *,
        retry_after: float | None = None,
        body: str | None = None,
        **when: Unpack[When],
    ) -> None:
        """Answer calls to a service with a status (`ums`: the upgrade), and do nothing.

        `body` replaces the answer's JSON, as text/html.
        """
        self._add("http_status", service, when, status=status, retry_after=retry_after, body=body)

    def http_reset(self, service: Service, **when: Unpack[When]) -> None:
        """Cut the connection of calls to a service, and do nothing."""
        self._add("http_reset", service, when)

    def hold_http(self, service: Service, seconds: float = 10.0, **when: Unpack[When]) -> None:
        """Let calls to a service wait until `release_http`, at most `seconds`; then serve them."""
        self._held.append(released := asyncio.Event())
        self._add("hold_http", service, when, seconds=seconds, released=released)

    def release_http(self) -> None:
        """Let the calls that `hold_http` holds back go on, and hold no more of them."""
        for released in self._held:
            released.set()
        self._held.clear()

    def _add(self, name: str, what: str | None, when: When, **params: Any) -> None:
        self._rules.add(Rule(name, what, params=params, **when))

    def refuse_request(
        self,
        type: str | None = None,  # noqa: A002  the protocol's word
        code: int = 500,
        *,
        reason: str = "refused by a fault",
        **when: Unpack[When],
    ) -> None:
        """Answer requests of a type with a code, and do nothing."""
        self._add("refuse_request", type, when, code=code, reason=reason)

    def drop_before(
        self,
        type: str | None = None,  # noqa: A002  the protocol's word
        **when: Unpack[When],
    ) -> None:
        """Cut the connection when a request has arrived and nothing has been done about it."""
        self._add("drop_before", type, when)

    def swallow_answer(
        self,
        type: str | None = None,  # noqa: A002  the protocol's word
        *,
        drop: bool = False,
        **when: Unpack[When],
    ) -> None:
        """Carry a request out and answer nothing; with `drop`, cut the connection instead.

        A connection that is cut carries no notification of it either.
        """
        self._add("swallow_answer", type, when, drop=drop)

    def slow_answer(
        self,
        type: str | None = None,  # noqa: A002  the protocol's word
        seconds: float = 1.0,
        **when: Unpack[When],
    ) -> None:
        """Carry a request out and answer late; the socket's later requests wait meanwhile."""
        self._add("slow_answer", type, when, seconds=seconds)

    # -- notifications -------------------------------------------------------------------------

    def lose_notifications(
        self,
        type: str | None = EVENTS,  # noqa: A002  the protocol's word
        **when: Unpack[When],
    ) -> None:
        """Send notifications to nobody (the replay of a subscription is one too)."""
        self._add("lose_notifications", type, when)

    def duplicate_notifications(
        self,
        type: str | None = EVENTS,  # noqa: A002  the protocol's word
        **when: Unpack[When],
    ) -> None:
        """Send notifications twice."""
        self._add("duplicate_notifications", type, when)

    def delay_notifications(
        self,
        seconds: float = 0.5,
        type: str | None = EVENTS,  # noqa: A002  the protocol's word
        **when: Unpack[When],
    ) -> None:
        """Send notifications late; later ones overtake them."""
        self._add("delay_notifications", type, when, seconds=seconds)

    def reorder_notifications(
        self,
        seconds: float = 1.0,
        type: str | None = EVENTS,  # noqa: A002  the protocol's word
        **when: Unpack[When],
    ) -> None:
        """Hold a notification back until the next one has left, at most `seconds`."""
        self._add("reorder_notifications", type, when, seconds=seconds)

    def batch_notifications(
        self,
        size: int = 3,
        seconds: float = 1.0,
        type: str | None = EVENTS,  # noqa: A002  the protocol's word
        **when: Unpack[When],
    ) -> None:
        """Gather the changes of `size` notifications, or of those within `seconds`, into one."""
        self._add("batch_notifications", type, when, size=size, seconds=seconds)

    # -- replays: what a subscription shows of the past -----------------------------------------

    def lose_replays(self, **when: Unpack[When]) -> None:
        """Answer subscriptions of a dialog, and show nothing of what was said before."""
        self._add("lose_replays", SUBSCRIBE, when)

    def delay_replays(self, seconds: float = 0.7, **when: Unpack[When]) -> None:
        """Answer subscriptions of a dialog at once, and replay it late."""
        self._add("delay_replays", SUBSCRIBE, when, seconds=seconds)

    def cut_replays(self, keep: int = 0, **when: Unpack[When]) -> None:
        """Replay only the first `keep` events."""
        self._add("cut_replays", SUBSCRIBE, when, keep=keep)

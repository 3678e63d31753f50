"""Causes faults from the page, and watches whether the bridge recovers."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal

from lp_sandbox.liveperson import LivePersonSandbox, SandboxConversation
from lp_sandbox.liveperson.consumer_socket import ConsumerSocket
from lp_sandbox.liveperson.tokens import Identity
from lp_sandbox.page.control import BridgeControl
from lp_sandbox.slack import SlackSandbox
from lp_sandbox.wire import Entry

Side = Literal["slack", "liveperson", "bridge"]

RETRY_AFTER = 4
"""Seconds that Slack asks for when it says 429."""
OUTAGE = 3
"""How many requests LivePerson answers with 503."""


class CannotBreak(Exception):  # noqa: N818  it is an answer, not an error
    """It cannot be broken now; the text tells the person why."""


@dataclass(frozen=True, slots=True)
class Break:
    """A button that causes a fault, and its texts for people."""

    name: str
    label: str
    side: Side
    explains: str
    says: str
    """The text while it is broken."""
    healed: str
    """The text once it has healed, which is followed by the seconds that it took."""


BREAKS = (
    Break(
        "drop_socket",
        "Drop the socket",
        "liveperson",
        "Cut every LivePerson websocket without a word, as a failing network does.",
        "Socket cut. Waiting for the bridge to come back…",
        "The socket is back",
    ),
    Break(
        "expire_token",
        "Expire the token",
        "liveperson",
        "The consumer's token ends now; LivePerson closes the socket for it.",
        "Token expired. Waiting for a fresh one…",
        "Fresh token, new socket",
    ),
    Break(
        "liveperson_503",
        "LivePerson says 503",
        "liveperson",
        f"Cut the socket, and answer the next {OUTAGE} attempts with 503.",
        f"LivePerson is down for {OUTAGE} attempts…",
        "LivePerson and the socket are back",
    ),
    Break(
        "slack_429",
        "Slack says 429",
        "slack",
        f"Slack refuses the next post and asks to wait {RETRY_AFTER} seconds.",
        "The next post gets a 429. Write something…",
        "Slack took the post",
    ),
    Break(
        "kill_bridge",
        "Kill the bridge",
        "bridge",
        "kill -9. It is started again at once; nothing may be lost.",
        "Bridge killed. Write something: it must arrive.",
        "A new bridge is running",
    ),
)


@dataclass(frozen=True, slots=True)
class Hurt:
    """A consumer whose websocket was hit."""

    consumer: str
    account: str
    account_name: str
    signed_up: bool
    """A consumer who signed up has only this token."""
    conversations: tuple[SandboxConversation, ...]

    def waits(self, sockets: Collection[ConsumerSocket]) -> bool:
        """Whether it has an open conversation, and none of `sockets` is its own and answers."""
        is_open = any(one.state == "OPEN" for one in self.conversations)
        return is_open and not any(
            socket.answered
            and socket.identity is not None
            and (socket.identity.account, socket.identity.consumer_id)
            == (self.account, self.consumer)
            for socket in sockets
        )


@dataclass(slots=True)
class Broken:
    """One thing that is broken now, or was."""

    what: Break
    at: float
    """Monotonic seconds."""
    seen: bool = False
    """Whether the bridge has met it (a 429 was answered, the bridge was down)."""
    hit: tuple[ConsumerSocket, ...] = ()
    """The websockets that were hit; they are no sign of healing while they linger."""
    hurt: tuple[Hurt, ...] = ()
    """The consumers who must be back before it has healed."""
    lost: tuple[str, ...] = ()
    """The accounts of consumers who cannot come back."""
    over: bool = False
    healed_after: float | None = None
    """Seconds; None also when there was nothing that could heal."""

    def give_up_signed_up(self) -> None:
        """Consumers who signed up have lost their tokens and cannot come back."""
        gone = [who for who in self.hurt if who.signed_up and who.waits(())]
        if gone:
            self.hurt = tuple(who for who in self.hurt if who not in gone)
            self.lost += tuple(who.account_name for who in gone)
            self.over = not self.hurt

    @property
    def outcome(self) -> str:
        """Say how it ended."""
        healed = self.healed_after
        said = [] if healed is None else [f"{self.what.healed} after {healed:.1f} s."]
        if self.lost:
            names = ", ".join(self.lost)
            said.append(
                f"Not healed: {names} (a signed-up consumer gets no second token). "
                "Connect again in Slack."
            )
        return " ".join(said)


class Breaks:
    """The buttons, and the line that says how it is going."""

    def __init__(
        self,
        slack: SlackSandbox,
        liveperson: LivePersonSandbox,
        bridge: BridgeControl,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slack = slack
        self._liveperson = liveperson
        self._bridge = bridge
        self._clock = clock
        self._broken: list[Broken] = []

    def trigger(self, name: str) -> None:
        """Break something.

        Raises:
            CannotBreak: there is nothing of that name, or nothing there to break.
        """
        what = next((one for one in BREAKS if one.name == name), None)
        if what is None:
            known = ", ".join(one.name for one in BREAKS)
            raise CannotBreak(f"There is nothing called {name!r} to break; there is {known}.")
        broken = Broken(what, self._clock())
        self._broken = [*self._open()[-4:], broken]
        try:
            self._apply(broken)
        except CannotBreak:
            self._broken.remove(broken)
            raise

    def _apply(self, broken: Broken) -> None:
        name = broken.what.name
        if name == "kill_bridge":
            try:
                self._bridge.kill()
            except (PermissionError, ProcessLookupError) as error:
                raise CannotBreak(str(error)) from None
        elif name == "slack_429":
            self._slack.faults.rate_limit("chat.postMessage", retry_after=RETRY_AFTER)
        else:
            self._hurt_sockets(broken)

    def _hurt_sockets(self, broken: Broken) -> None:
        faults = self._liveperson.faults
        broken.hit = self._liveperson.consumers
        if not broken.hit:
            raise CannotBreak("No LivePerson socket is open just now. Connect in Slack first.")
        broken.hurt = tuple(
            self._hurt(socket, socket.identity) for socket in broken.hit if socket.identity
        )
        if broken.what.name == "expire_token":
            faults.expire_tokens()
            for one in self._open():
                one.give_up_signed_up()
        else:
            faults.drop_sockets()
        if broken.what.name == "liveperson_503":
            faults.http_status("ums", 503, times=OUTAGE)

    def _hurt(self, socket: ConsumerSocket, identity: Identity) -> Hurt:
        return Hurt(
            identity.consumer_id,
            identity.account,
            self._liveperson.accounts[identity.account].name,
            identity.use == "signup",
            tuple(self._liveperson.conversations[one] for one in socket.conversations),
        )

    def notice(self, entry: Entry) -> None:
        """Look at a frame: does it show that something has healed?"""
        for broken in self._open():
            if broken.what.side == "liveperson" and _is_socket_answer(entry):
                self._look_at_sockets(broken)
            elif broken.what.name == "slack_429" and _is_post(entry):
                refused = "429" in entry.title or "rate" in entry.title
                if broken.seen and not refused:
                    self._heal(broken)
                broken.seen = broken.seen or refused

    def _look_at_sockets(self, broken: Broken) -> None:
        new = set(self._liveperson.consumers).difference(broken.hit)
        if not any(who.waits(new) for who in broken.hurt):
            self._heal(broken)

    def notice_bridge(self) -> None:
        """Look at the bridge: is it down, is it up again?"""
        for broken in self._open():
            if broken.what.name == "kill_bridge":
                if broken.seen and self._bridge.running:
                    self._heal(broken)
                broken.seen = broken.seen or not self._bridge.running

    def as_item(self) -> dict[str, Any]:
        """Give the buttons and the line for the page."""
        offered = [
            {"name": one.name, "label": one.label, "side": one.side, "explains": one.explains}
            for one in BREAKS
            if one.name != "kill_bridge" or self._bridge.can_be_killed
        ]
        still = self._open()
        line, state = "All is well. Press one and watch it heal.", "well"
        if still:
            line, state = still[-1].what.says, "broken"
        elif self._broken:
            last = self._broken[-1]
            line, state = last.outcome, "lost" if last.lost else "healed"
        return {
            "offered": offered,
            "line": line,
            "state": state,
            "broken": sorted(_cables(still)),
        }

    def _open(self) -> list[Broken]:
        return [one for one in self._broken if not one.over]

    def _heal(self, broken: Broken) -> None:
        broken.over = True
        broken.healed_after = self._clock() - broken.at


def _cables(still: list[Broken]) -> set[str]:
    """Name the sides that are cut off; without a bridge both are."""
    sides: set[str] = {one.what.side for one in still}
    return {"slack", "liveperson"} if "bridge" in sides else sides


def _is_socket_answer(entry: Entry) -> bool:
    """A websocket answers the bridge: then there is one."""
    if entry.side != "liveperson" or entry.channel != "ums" or entry.direction != "out":
        return False
    return isinstance(entry.body, dict) and entry.body.get("kind") == "resp"


def _is_post(entry: Entry) -> bool:
    return entry.side == "slack" and entry.title.startswith("chat.postMessage")

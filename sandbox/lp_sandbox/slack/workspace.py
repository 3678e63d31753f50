"""The workspace: its contents, and the changes to it. A pure model, no network.

Who may do what is not decided here: `web_api` decides for the app and `people` for persons.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from lp_sandbox.slack.files import Files
from lp_sandbox.slack.model import (
    App,
    Change,
    ChangeKind,
    Channel,
    Ephemeral,
    Message,
    Refusal,
    Status,
    Team,
    User,
)

T = TypeVar("T")

WATCHED = 10_000
"""How many changes wait for a watcher that does not read, before it misses some."""


@dataclass(slots=True)
class Manners:
    """In what Slack may differ, where its documentation leaves it open."""

    edited_in_seconds: bool = True
    """`edited.ts` is a whole second, as it is seen to be. False: as exact as any other."""
    tells_previous: bool = True
    """`message_changed` tells what the message was."""
    vanished_threads_take_posts: bool = False
    """What is posted into a thread without a first message lands in the channel. False: it is
    refused."""


class Workspace:
    """People, channels and messages of one team, and whoever watches them."""

    def __init__(
        self,
        app: App | None = None,
        *,
        team: Team | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.app = app or App()
        self.team = team or Team()
        self.clock = clock
        bot = self.app.user_id
        self.users = {
            user.id: user
            for user in (
                User("U0ANA", "ana", "Ana Ruiz", "Ana", email="ana@sandbox.example"),
                User("U0BEN", "ben", "Ben Okafor", "Ben"),
                User(bot, "lp_bridge", self.app.name, "", is_bot=True),
            )
        }
        everyone, people = set(self.users), set(self.users) - {bot}
        self.channels = {
            channel.id: channel
            for channel in (
                Channel("C0SUPPORT", "support", "channel", set(everyone)),
                Channel("C0GENERAL", "general", "channel", set(everyone)),
                Channel("C0PAYLOAD", "payload-dev", "channel", set(everyone)),
                Channel("C0NOBOT", "no-bot", "channel", set(people)),
                Channel("C0ARCHIVED", "archived", "channel", set(everyone), archived=True),
                Channel("G0PRIVATE", "private", "group", set(everyone)),
                Channel("D0ANA", "ana", "im", {"U0ANA", bot}),
                Channel("D0BEN", "ben", "im", {"U0BEN", bot}),
            )
        }
        self._moved: dict[str, str] = {}
        self._ephemerals: defaultdict[tuple[str, str], dict[str, Ephemeral]] = defaultdict(dict)
        self._listeners: list[Callable[[Change], None]] = []
        self._watchers: set[asyncio.Queue[Change]] = set()
        self._waiters: dict[asyncio.Future[Any], Callable[[Workspace], Any]] = {}
        self._statuses: dict[tuple[str, str], Status] = {}
        self.triggers: dict[str, str] = {}
        """Who may be shown a dialog: each is good once."""
        self.views: dict[str, dict[str, Any]] = {}
        """Dialogs that are open, by id."""
        self.homes: dict[str, dict[str, Any]] = {}
        """What each person's home of the app shows."""
        self.files = Files(self.team.id)
        self.manners = Manners()
        self.by_organization = False
        """Whether the app was installed for the whole organization, and not here alone."""
        self.authorizes: list[dict[str, Any]] | None = None
        """The `authorizations` of its events; None: the one of this install."""
        self.changes = 0
        """How many there have been."""

    # -- reading -------------------------------------------------------------------------------

    def channel(self, channel: str) -> Channel:
        """Give a channel, or refuse with `channel_not_found`.

        A channel that has another id now is refused with `channel_id_changed`. Slack documents the
        event of that name; that the refusal names the new id in the same field is our guess.
        """
        if (moved := self._moved.get(channel)) is not None:
            raise Refusal("channel_id_changed", new_channel_id=moved)
        if (found := self.channels.get(channel)) is None:
            raise Refusal("channel_not_found")
        return found

    def message(self, channel: str, ts: str) -> Message:
        """Give a message, or refuse with `message_not_found`."""
        if (found := self.channel(channel).messages.get(ts)) is None:
            raise Refusal("message_not_found")
        return found

    def messages(self, channel: str) -> list[dict[str, Any]]:
        """Give every message of a channel, replies too, oldest first."""
        return [
            message.as_dict(metadata=True) for message in self.channel(channel).messages.values()
        ]

    def thread(self, channel: str, ts: str) -> list[dict[str, Any]]:
        """Give a thread: its first message, then the replies. Empty if there is none."""
        messages = self.channel(channel).messages
        if (root := messages.get(ts)) is None:
            return []
        return [messages[one].as_dict(metadata=True) for one in (ts, *root.replies)]

    def ephemerals(self, channel: str, user: str) -> list[dict[str, Any]]:
        """Give what only `user` sees in a channel, oldest first."""
        return [message.as_dict() for message in self._ephemerals[channel, user].values()]

    def ephemeral(self, channel: str, user: str, ts: str) -> Ephemeral | None:
        """Give one of them."""
        return self._ephemerals[channel, user].get(ts)

    def reactions(self, channel: str, ts: str) -> dict[str, list[str]]:
        """Give a message's reactions: name → who."""
        return {name: list(users) for name, users in self.message(channel, ts).reactions.items()}

    def thread_of(self, channel: str, ts: str) -> str | None:
        """Tell which thread a message is in, if it exists."""
        found = self.channels.get(channel)
        message = found.messages.get(ts) if found else None
        return message.thread if message else None

    # -- changing ------------------------------------------------------------------------------

    def next_ts(self, channel: str) -> str:
        """Make a ts: now, in microseconds, and later than any other of the channel."""
        place = self.channel(channel)
        place.last = max(int(self.clock() * 1_000_000), place.last + 1)
        return f"{place.last // 1_000_000}.{place.last % 1_000_000:06d}"

    def change_id(self, channel: str, new: str) -> None:
        """Give a channel another id, as Slack does when a private one is shared."""
        place = self.channels.pop(channel)
        place.id = self._moved[channel] = new
        self.channels[new] = place
        for message in place.messages.values():
            message.channel = new

    def post(self, message: Message) -> Message:
        """Put a message into its channel, and into its thread if it has one.

        Raises:
            Refusal: `thread_not_found` if there is no such thread, `cannot_reply_to_message` if
                `thread_ts` is itself a reply.
        """
        messages = self.channel(message.channel).messages
        if message.thread_ts is not None:
            root = messages.get(message.thread_ts)
            if root is None and not self.manners.vanished_threads_take_posts:
                raise Refusal("thread_not_found")
            if root is not None and root.is_reply:
                raise Refusal("cannot_reply_to_message")
            if root is None:
                message.thread_ts = None
        if message.thread_ts is not None and (root := messages.get(message.thread_ts)) is not None:
            message.parent_user = root.user or root.bot_id
            root.replies.append(message.ts)
            root.repliers[message.user or message.bot_id or ""] = None
        messages[message.ts] = message
        if message.thread_ts is not None and message.bot_id == self.app.bot_id:
            self._statuses.pop((message.channel, message.thread_ts), None)
        self._tell("posted", message, user=message.user)
        return message

    def set_status(self, channel: str, thread_ts: str, status: Status | None) -> None:
        """Show a status below a thread, or take it away."""
        before = self._statuses.pop((channel, thread_ts), None)
        if status is not None:
            self._statuses[channel, thread_ts] = status
        if before != status:
            root = self.message(channel, thread_ts)
            self._tell("status", root, user=self.app.user_id)

    def status(self, channel: str, thread_ts: str) -> Status | None:
        """What is shown below a thread now."""
        found = self._statuses.get((channel, thread_ts))
        return found if found is not None and found.until > self.clock() else None

    def shown_statuses(self) -> list[tuple[str, str, Status]]:
        """Every status that is shown now: channel, thread, status."""
        now = self.clock()
        return [(*place, each) for place, each in self._statuses.items() if each.until > now]

    def update(self, message: Message, *, user: str, **fields: Any) -> None:
        """Change fields of a message."""
        previous = message.as_dict()
        for name, value in fields.items():
            setattr(message, name, value)
        self._tell("updated", message, previous=previous, user=user)

    def delete(self, message: Message, *, user: str) -> None:
        """Take a message away. One that has replies leaves a tombstone, as in Slack."""
        previous = message.as_dict()
        if message.replies:
            self._bury(message)
            self._tell("updated", message, previous=previous, user=user)
            return
        messages = self.channel(message.channel).messages
        del messages[message.ts]
        root = messages.get(message.thread) if message.is_reply else None
        if root is not None:
            root.replies.remove(message.ts)
        self._tell("deleted", message, previous=previous, user=user)
        if root is not None and root.subtype == "tombstone" and not root.replies:
            del messages[root.ts]
            self._tell("deleted", root, previous=root.as_dict(), user=user)

    @staticmethod
    def _bury(message: Message) -> None:
        message.subtype, message.hidden = "tombstone", True
        message.text = "This message was deleted."
        message.user = "USLACKBOT"
        message.blocks = message.bot_id = message.app_id = message.bot_profile = None
        message.username = message.icons = message.files = message.metadata = None
        message.client_msg_id = message.edited = None
        message.reactions.clear()

    def react(self, message: Message, name: str, *, user: str) -> None:
        """Add a reaction, or refuse with `already_reacted`."""
        users = message.reactions.setdefault(name, [])
        if user in users:
            raise Refusal("already_reacted")
        users.append(user)
        self._tell("reaction_added", message, user=user, reaction=name)

    def unreact(self, message: Message, name: str, *, user: str) -> None:
        """Take a reaction away, or refuse with `no_reaction`."""
        if user not in message.reactions.get(name, ()):
            raise Refusal("no_reaction")
        message.reactions[name].remove(user)
        if not message.reactions[name]:
            del message.reactions[name]
        self._tell("reaction_removed", message, user=user, reaction=name)

    def whisper(self, ephemeral: Ephemeral) -> None:
        """Show a message to one person; the same ts replaces the one shown before."""
        shown = self._ephemerals[ephemeral.channel, ephemeral.user]
        kind: ChangeKind = "ephemeral_updated" if ephemeral.ts in shown else "ephemeral"
        shown[ephemeral.ts] = ephemeral
        self._tell_ephemeral(kind, ephemeral)

    def hush(self, channel: str, user: str, ts: str) -> None:
        """Take a message that one person sees away."""
        if (gone := self._ephemerals[channel, user].pop(ts, None)) is not None:
            self._tell_ephemeral("ephemeral_deleted", gone)

    # -- watching ------------------------------------------------------------------------------

    def subscribe(self, listener: Callable[[Change], None]) -> None:
        """Have `listener` called on every change, at once."""
        self._listeners.append(listener)

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[asyncio.Queue[Change]]:
        """A queue that gets every change from now on."""
        queue: asyncio.Queue[Change] = asyncio.Queue(maxsize=WATCHED)
        self._watchers.add(queue)
        try:
            yield queue
        finally:
            self._watchers.discard(queue)

    async def wait_for(self, predicate: Callable[[Workspace], T], timeout: float = 10.0) -> T:
        """Wait until `predicate(workspace)` is true; give what it returned.

        It is asked at once and after every change.

        Raises:
            TimeoutError: it did not become true within `timeout` seconds.
        """
        if found := predicate(self):
            return found
        waiter: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = predicate
        try:
            async with asyncio.timeout(timeout):
                return await waiter
        finally:
            self._waiters.pop(waiter, None)

    def _tell(
        self,
        kind: ChangeKind,
        message: Message,
        *,
        previous: dict[str, Any] | None = None,
        user: str | None = None,
        reaction: str | None = None,
    ) -> None:
        shape = message.as_dict(metadata=True)
        self._publish(
            Change(kind, message.channel, message.ts, shape, previous, user, reaction),
        )

    def _tell_ephemeral(self, kind: ChangeKind, ephemeral: Ephemeral) -> None:
        shape = ephemeral.as_dict()
        self._publish(Change(kind, ephemeral.channel, ephemeral.ts, shape, user=ephemeral.user))

    def _publish(self, change: Change) -> None:
        self.changes += 1
        for listener in self._listeners:
            listener(change)
        for watcher in self._watchers:
            if not watcher.full():  # a page that does not read must not hold memory for ever
                watcher.put_nowait(change)
        for waiter, predicate in list(self._waiters.items()):
            if waiter.done():
                continue
            try:
                found = predicate(self)
            except Exception as error:  # noqa: BLE001  belongs to the one who waits, not to us
                waiter.set_exception(error)
            else:
                if found:
                    waiter.set_result(found)

"""The items of the inbox: what each kind stores, and how the relay treats it.

A row of the inbox is a `kind` and a `payload`; the store knows no more of it. Each kind has a
struct here, whose JSON is the payload. The struct also declares everything that the rest of the
relay needs to know of the kind: whether it becomes an event of the dialog, whether that event has a
number, what has to be ready before it is sent, how it is recognised when it comes back, and what a
transcript shows. Pure: no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final, Literal

import msgspec

from bridge.ids import InboxId, MessageTs, UserId
from bridge.liveperson.events import AcceptStatusEvent, Event, FileEvent, TextEvent
from bridge.relay.shared.own_words import resembles
from bridge.store.rows import InboxRow, NewInbox


class Item(msgspec.Struct, frozen=True, omit_defaults=True):
    """An item of the inbox. The defaults here are right for most kinds."""

    kind: ClassVar[str]
    """The row's `kind`, and part of its identity: it never changes."""
    published: ClassVar[bool] = False
    """It becomes an event of the dialog. If the answer to it is lost, it is looked for there before
    it is sent again."""
    numbered: ClassVar[bool] = True
    """Its event gets a number, which is told in the answer or with the echo."""
    repeatable: ClassVar[bool] = False
    """Sending it twice does no harm: it is sent again unless it is proven to have arrived."""
    fulfilled_at_end: ClassVar[bool] = False
    """Once the conversation is over, it has what it asked for."""
    told: ClassVar[bool] = True
    """Whether the person who did it is told when it fails."""

    @property
    def ready(self) -> bool:
        """Whether it can be sent as it is; else the session's slow lane makes it ready first."""
        return True

    @property
    def words(self) -> str:
        """What a transcript shows for it."""
        return f"({self.kind})"

    @property
    def shown_on(self) -> MessageTs | None:
        """The message that is marked if it fails; None: it is a message itself."""
        return None

    @property
    def changes(self) -> MessageTs | None:
        """The message that it may still change: nothing of that is sent until this is settled."""
        return None

    def may_be(self, event: Event) -> bool:
        """Whether an event of ours has this item's type: LivePerson may have changed the rest."""
        return False

    def equals(self, event: Event) -> bool:
        """Whether an event of ours has exactly this item's content."""
        return False

    def looks_like(self, event: Event) -> bool:
        """Whether an event can be this item after LivePerson has masked or tidied its text."""
        return False


class Text(Item, frozen=True):
    """A message, or a part of a long one."""

    kind: ClassVar[str] = "text"
    published: ClassVar[bool] = True

    source: str = ""
    """As Slack sent it (mrkdwn); empty in further parts."""
    text: str | None = None
    """As LivePerson gets it; None until the names in it are known."""
    exact: bool = False
    """The emoji in `source` are characters already."""
    gesture: str | None = None
    """Slack's `client_msg_id`: of two messages that have the same one, one is relayed."""

    @property
    def ready(self) -> bool:
        """The names in it are known."""
        return self.text is not None

    @property
    def words(self) -> str:
        """The text as LivePerson gets it, if it is known."""
        return self.source if self.text is None else self.text

    def may_be(self, event: Event) -> bool:
        """Any text may be a masked one."""
        return isinstance(event, TextEvent)

    def equals(self, event: Event) -> bool:
        """It has the same words."""
        return isinstance(event, TextEvent) and event.message == self.text

    def looks_like(self, event: Event) -> bool:
        """It has these words, but for what LivePerson masks."""
        return isinstance(event, TextEvent) and resembles(event.message, self.text or "")

    def parts(self, texts: Sequence[str]) -> list[Text]:
        """It, in the words that LivePerson gets: what they are has become known."""
        return [
            msgspec.structs.replace(self, source="" if part else self.source, text=text)
            for part, text in enumerate(texts)
        ]


class Press(Item, frozen=True):
    """A button of a card was pressed: a receipt of its own, before the texts that it says.

    LivePerson need not number it, and need not show it again. A second one is noise, no answer.
    """

    kind: ClassVar[str] = "press"
    published: ClassVar[bool] = True
    numbered: ClassVar[bool] = False
    repeatable: ClassVar[bool] = True
    told: ClassVar[bool] = False

    pressed: int
    """Sequence of the event that holds the button."""
    dialog: str = ""
    """The dialog of that event."""
    metadata: str | None = None
    """The button's: JSON, as it came."""

    @property
    def words(self) -> str:
        """Where it was pressed."""
        return f"(presses a button of no. {self.pressed})"

    def may_be(self, event: Event) -> bool:
        """Nothing changes a receipt."""
        return self.equals(event)

    def equals(self, event: Event) -> bool:
        """It tells of this card."""
        return event == AcceptStatusEvent("ACTION", (self.pressed,))


class Answer(Text, frozen=True):
    """What a press says. Its `source` is literal, not as Slack sends texts."""

    kind: ClassVar[str] = "answer"

    metadata: str | None = None
    """The button's: JSON, as it came."""
    on: MessageTs | None = None
    """The message that the button is on."""

    @property
    def shown_on(self) -> MessageTs | None:
        """The card: a press is no message."""
        return self.on


class File(Item, frozen=True):
    """A file. Once it is in LivePerson's storage, an event says where; of what lies elsewhere the
    link leaves, as a text.
    """

    kind: ClassVar[str] = "file"
    published: ClassVar[bool] = True

    file: str
    """Slack's id."""
    name: str = ""
    path: str | None = None
    """Where it is in LivePerson's storage; None: not there yet."""
    file_type: str = ""
    """As LivePerson writes it: JPG, PDF, …"""
    caption: str = ""
    preview: str | None = None
    """A small picture, as a `data:` URL."""
    text: str | None = None
    """What leaves in its place."""

    @property
    def ready(self) -> bool:
        """It is in the storage, or its link is known."""
        return self.path is not None or self.text is not None

    @property
    def words(self) -> str:
        """Its name."""
        return self.text if self.text is not None else f"(a file: {self.name})"

    def may_be(self, event: Event) -> bool:
        """Any file; or any text, where a text leaves in its place."""
        return isinstance(event, FileEvent if self.text is None else TextEvent)

    def equals(self, event: Event) -> bool:
        """It is the same place in the storage: no two files have one."""
        if isinstance(event, TextEvent):
            return event.message == self.text
        return isinstance(event, FileEvent) and _place(event.relative_path) == _place(self.path)

    def looks_like(self, event: Event) -> bool:
        """A text that was masked; or the same file, by the last part of its path."""
        if isinstance(event, TextEvent):
            return self.text is not None and resembles(event.message, self.text)
        return (
            isinstance(event, FileEvent)
            and bool(self.path)
            and _place(event.relative_path).rpartition("/")[2]
            == _place(self.path).rpartition("/")[2]
        )


def _place(path: str | None) -> str:
    """A path in the storage, whether it is written with a slash before it or not."""
    return (path or "").lstrip("/")


class Edit(Text, frozen=True):
    """Somebody has edited a message: `source` is what it says now.

    It is settled first (`bridge.relay.delivery.corrections`). If nothing of the message has left,
    the message goes out in its new words, and this never does. Else this becomes a correction.
    """

    kind: ClassVar[str] = "edit"

    of: MessageTs = MessageTs("")
    """The message."""

    @property
    def shown_on(self) -> MessageTs | None:
        """The message that was edited."""
        return self.of

    @property
    def changes(self) -> MessageTs | None:
        """The message that was edited, until this is settled."""
        return None if self.ready else self.of


class Withdrawal(Edit, frozen=True):
    """Likewise: somebody has deleted a message, or made a note of it that stays in Slack."""

    kind: ClassVar[str] = "withdrawal"
    fulfilled_at_end: ClassVar[bool] = True
    told: ClassVar[bool] = False

    @property
    def words(self) -> str:
        """What the agent is told, once that is known."""
        return self.text or "(a message was withdrawn)"


class Retry(Text, frozen=True):
    """A message that was not delivered, once more, because somebody asked for that."""

    kind: ClassVar[str] = "retry"

    of: MessageTs = MessageTs("")
    """The message."""

    @property
    def shown_on(self) -> MessageTs | None:
        """The message that is sent again."""
        return self.of


class Close(Item, frozen=True):
    """End the conversation. LivePerson is asked again if its answer is lost: that does no harm."""

    kind: ClassVar[str] = "close"
    fulfilled_at_end: ClassVar[bool] = True

    @property
    def words(self) -> str:
        """What was asked for."""
        return "(end the conversation)"


class Urgency(Item, frozen=True):
    """Say how soon an answer is wanted. Asked again if the answer is lost: that does no harm."""

    kind: ClassVar[str] = "ttr"
    fulfilled_at_end: ClassVar[bool] = True

    ttr: Literal["URGENT", "NORMAL"]

    @property
    def words(self) -> str:
        """What was asked for."""
        return f"(mark as {self.ttr.lower()})"


class Rating(Item, frozen=True):
    """How somebody rates a conversation that is over. Said again if the answer is lost."""

    kind: ClassVar[str] = "rating"

    rate: int | None = None
    """1 to 5; None: whoever was asked would rather not say."""
    resolved: bool | None = None
    """Whether the question was resolved; None: that is not known yet."""
    tried: bool = False
    """It may have been sent."""
    final: bool = True
    """Nothing follows that would complete it."""
    at: int = 0
    """When it was pressed: milliseconds since 1970."""

    @property
    def words(self) -> str:
        """What was pressed."""
        if self.rate is None:
            return "(does not rate it)"
        resolved = {True: ", resolved", False: ", not resolved", None: ""}[self.resolved]
        return f"(rates it {self.rate} of 5{resolved})"


class Note(Item, frozen=True):
    """A note among colleagues. It is kept, without its text, so that it is answered only once."""

    kind: ClassVar[str] = "note"

    @property
    def words(self) -> str:
        """Only that there was a note; its text is not stored."""
        return "(stays in Slack)"


class Word(Item, frozen=True):
    """A word for the bridge itself (`status`, `help`), kept so that it is answered only once."""

    kind: ClassVar[str] = "word"

    @property
    def words(self) -> str:
        """Only that there was a word, not which one."""
        return "(a word for the bridge)"


class Unknown(Item, frozen=True):
    """A row that this version cannot read: the person is told, and later rows are still sent."""

    kind: ClassVar[str] = "unknown"

    @property
    def words(self) -> str:
        """That it cannot be read."""
        return "(unreadable)"


KINDS: Final[tuple[type[Item], ...]] = (
    Text,
    Press,
    Answer,
    File,
    Edit,
    Withdrawal,
    Retry,
    Close,
    Urgency,
    Rating,
    Note,
    Word,
)
"""Every kind that is stored."""
DECODERS: Final[dict[str, msgspec.json.Decoder[Item]]] = {
    each.kind: msgspec.json.Decoder(each) for each in KINDS
}
_ENCODER = msgspec.json.Encoder()
_UNKNOWN: Final = Unknown()


FILES_FROM: Final = 1_000
"""Parts of a message from this number on are its files: they follow its text, however many parts
that has."""


class Queued(msgspec.Struct, frozen=True):
    """A row of the inbox whose item has been read."""

    id: InboxId
    message_ts: MessageTs
    user_id: UserId
    kind: str
    payload: str
    """`kind` and `payload` as they are stored."""
    order: tuple[tuple[int, int], int, int]
    """Its place in the thread."""
    item: Item

    @property
    def about(self) -> MessageTs:
        """The message that it is, or that it corrects, withdraws or repeats."""
        return self.item.shown_on or self.message_ts


def packed(item: Item) -> NewInbox:
    """An item as the inbox keeps it."""
    return NewInbox(kind=item.kind, payload=_ENCODER.encode(item).decode())


def unpacked(kind: str, payload: str) -> Item:
    """What a row of the inbox holds; `Unknown` if this version cannot tell."""
    decoder = DECODERS.get(kind)
    try:
        return _UNKNOWN if decoder is None else decoder.decode(payload)
    except msgspec.MsgspecError:
        return _UNKNOWN


def gesture_of(item: Item) -> str | None:
    """What somebody did to write it, where Slack has told."""
    return item.gesture if isinstance(item, Text) else None


def queued(row: InboxRow) -> Queued:
    """A row with its item read."""
    item = unpacked(row.kind, row.payload)
    return Queued(row.id, row.message_ts, row.user_id, row.kind, row.payload, row.order, item)


def text_items(
    source: str, texts: Sequence[str] | None, *, exact: bool = False, gesture: str | None = None
) -> list[Text]:
    """A message's parts, in order; a single item that is not ready if `texts` are not known yet."""
    whole = Text(source, exact=exact, gesture=gesture)
    return [whole] if texts is None else whole.parts(texts)

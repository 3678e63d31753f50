"""A delivery in any state, and its next step: for tests that look at one decision."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.ids import InboxId, MessageTs, UserId
from bridge.relay.delivery.machine import Delivery, Number, Step
from bridge.relay.shared.items import Item, Queued, Text, packed
from bridge.store.handover import Handover
from bridge.store.rows import DialogRow, InboxRow


def row(
    number: int, said: str | Item = "hello", *, part: int = 0, of: int | None = None
) -> InboxRow:
    """A row of the inbox: a message where only words are given, or a part `of` another row's."""
    item = Text(said, said) if isinstance(said, str) else said
    packet = packed(item)
    return InboxRow(
        id=InboxId(number),
        message_ts=MessageTs(f"{number if of is None else of}.000000"),
        kind=packet.kind,
        part=part,
        user_id=UserId("U"),
        payload=packet.payload,
    )


def left(
    *rows: InboxRow,
    cursor: int = -1,
    unnumbered: tuple[InboxRow, ...] = (),
    own_numbers: tuple[int, ...] = (),
    gaps: str | None = None,
) -> Handover:
    dialog = DialogRow(dialog_id="d", dialog_type="MAIN", state="OPEN", cursor=cursor, gaps=gaps)
    return Handover(
        incoming=list(rows),
        unnumbered=list(unnumbered),
        outgoing=[],
        written=bool(unnumbered or own_numbers),
        dialogs=[dialog],
        own={"d": set(own_numbers)},
    )


def fresh(*rows: InboxRow) -> Delivery:
    """A session that has been opened, with messages that wait, and a connection."""
    delivery = Delivery("s")
    delivery.consumer_id = "us"
    delivery.add_dialog("d")
    delivery.add(rows)
    delivery.attach("d")
    return delivery


def taken_over(former: Handover) -> Delivery:
    """A session whose former owner has ended."""
    delivery = Delivery("s")
    delivery.consumer_id = "us"
    delivery.take_over(former)
    return delivery


def publish(delivery: Delivery) -> Queued:
    """Have the next message leave."""
    todo = delivery.next()
    assert todo is not None
    assert todo[0] is Step.SEND
    delivery.leaves(todo[1])
    return todo[1]


def note(delivery: Delivery) -> Number:
    """Have the store say that the next one was sent; gives the number that is noted."""
    todo = delivery.next()
    assert todo is not None
    assert todo[0] is Step.NOTE
    number = delivery.begin_note(todo[1])
    assert delivery.noted(todo[1], number)
    return number


def ids(rows: Sequence[Queued]) -> list[int]:
    return [int(each.id) for each in rows]

"""Which rows a new owner must look for in the thread before it posts them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.ids import OutboxId, SessionId
from bridge.relay.posting.poster import in_doubt
from bridge.store.rows import OutboxRow


@given(
    kinds=st.lists(st.sampled_from(["agent", "notice", "mark", "closed"]), min_size=1, max_size=12),
    data=st.data(),
)
def test_whatever_the_former_owner_was_posting_is_in_doubt(
    kinds: list[str], data: st.DataObject
) -> None:
    """Other workers' rows may become visible after rows with higher ids."""
    rows = [row(number, kind) for number, kind in enumerate(kinds)]
    # Rows become visible in any order, except that the owner stores the agents' words in theirs.
    agents = [each for each in rows if each.kind == "agent"]
    order = data.draw(st.permutations(rows))
    following = iter(agents)
    visible = [each if each.kind != "agent" else next(following) for each in order]
    seen: list[OutboxRow] = []
    posted: list[OutboxRow] = []
    for each in visible:
        seen.append(each)
        waiting = sorted((one for one in seen if one not in posted), key=lambda one: one.id)
        in_flight = waiting[0]
        if data.draw(st.booleans()):
            posted.append(in_flight)
            continue
        later = data.draw(st.booleans())
        left = rows if later else seen  # what else is committed before the next owner looks
        found = sorted((one for one in left if one not in posted), key=lambda one: one.id)
        assert in_flight.id in in_doubt(found)


def test_a_long_queue_is_not_looked_for_row_by_row() -> None:
    assert in_doubt(row(number, "agent") for number in range(100)) == {0}


def row(number: int, kind: str) -> OutboxRow:
    return OutboxRow(
        id=OutboxId(number), session_id=SessionId("s"), kind=kind, payload="{}", created_at=0
    )

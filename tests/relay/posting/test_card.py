"""The card shows what is so, also when that is what it has shown before."""

from __future__ import annotations

import pytest

from tests.e2e.world import World

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


async def test_a_state_that_returns_while_the_card_is_updated_is_shown_again(world: World) -> None:
    thread = await world.connect()
    conversation = await world.until(world.conversation)
    await thread.card_shows("Waiting for an agent")
    # The update to "Talking with Maria" is on its way for a second; then it is out of date.
    world.slack.faults.rate_limit("chat.update", retry_after=1)
    await world.liveperson.accept(conversation.id)
    await thread.shows("joined")
    await world.liveperson.back_to_queue(conversation.id)
    await thread.shows("Waiting for another agent")
    await thread.card_shows("Waiting for an agent")
    await thread.press("lp_end")
    await thread.card_shows("lp_again")

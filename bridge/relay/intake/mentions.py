"""Words for the bridge itself: in a thread, `@LP Bridge end` is not for the agent."""

from __future__ import annotations

import re
from enum import StrEnum

from bridge.ids import UserId


class MentionWord(StrEnum):
    """What one can say to the bridge in a thread."""

    STATUS = "status"
    URGENT = "urgent"
    NORMAL = "normal"
    END = "end"
    RETRY = "retry"
    HELP = "help"


def word_for_bridge(text: str, bot: UserId | None) -> MentionWord | None:
    """The word, if a message is addressed to the bridge: it begins by mentioning it.

    Any other word asks for help. Nothing that is addressed to the bridge goes to the agent.
    """
    if not bot or bot not in text:
        return None
    found = re.match(rf"\s*<@{re.escape(bot)}(?:\|[^>]*)?>[\s:,]*(\S*)", text)
    if found is None:
        return None
    try:
        return MentionWord(found[1].lower().strip(".!?`*_"))
    except ValueError:
        return MentionWord.HELP

"""What the scripted agent says. Pure, so that it is easy to read and test."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Then = Literal["stay", "close", "transfer"]

HELP = (
    "Things you can try on me: ask about your internet, your invoice or a delivery; say long, "
    "special or transfer; and bye when you are done."
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the script says, and what it does after that."""

    lines: tuple[str, ...]
    then: Then = "stay"


_LONG = "\n\n".join(
    f"{number}. {step}"
    for number, step in enumerate(
        (
            "Switch the router off, count slowly to thirty, and switch it on again. The light "
            "should go from amber to green within two minutes.",
            "If it stays amber, look at the cable at the back. It clicks when it is really in.",
            "Put one device next to the router and measure there. If it is fast there and slow in "
            "the kitchen, it is the wireless network and not the line.",
            "Give me a time when nobody needs the line. I can then measure it from here, which "
            "takes about ten minutes.",
        ),
        start=1,
    )
)

_SCRIPT: tuple[tuple[str, Reply], ...] = (
    (
        r"\b(bye|goodbye|that.s all|that is all)\b",
        Reply(("You are welcome. Have a good day!",), "close"),
    ),
    (
        r"\b(transfer|colleague|someone else)\b",
        Reply(("One moment, I am handing you to a colleague.",), "transfer"),
    ),
    (
        r"\blong\b",
        Reply(("Here is all of it:", _LONG)),
    ),
    (
        r"\bspecial\b",
        Reply(
            (
                "Nothing that I type turns into something else: *stars*, _lines_, <tags> & "
                "ampersands, <!channel>, @here, :tada:.",
                "Links stay what they are: https://example.com/help?topic=router&lang=en",
            )
        ),
    ),
    (
        r"\b(slow|internet|wifi|wi-fi|router|connection)\b",
        Reply(
            (
                "Sorry to hear that. I have just measured your line: it is fine up to your house.",
                "Could you restart the router? It takes about two minutes. "
                "(Say long if you want every step.)",
            )
        ),
    ),
    (
        r"\b(invoice|bill|refund|charge|paid|pay)\b",
        Reply(
            (
                "Let me look. Your last invoice is of the 3rd, over € 42.50, and it is paid.",
                "I have sent a copy to the address that we have of you.",
            )
        ),
    ),
    (
        r"\b(delivery|order|parcel|package|shipping)\b",
        Reply(("Your parcel left this morning. It should be there tomorrow before noon.",)),
    ),
    (r"\b(help|what can you)\b", Reply((HELP,))),
    (r"\b(thanks|thank you|thx|great|perfect)\b", Reply(("Gladly. Anything else?",))),
    (
        r"\b(hi|hello|hey|good (morning|afternoon|evening))\b",
        Reply(("What can I do for you?",)),
    ),
)

_OTHERWISE = (
    Reply(("I see. Could you tell me a little more?",)),
    Reply(("Got it, I have noted that down. Is there anything else I should know?",)),
    Reply((HELP,)),
)


def greeting(name: str, brand: str, *, asked: bool) -> str:
    """Give what the agent says first; `asked`: the consumer has said already what it is about."""
    hello = f"Hello, this is {name} from {brand}."
    return hello if asked else f"{hello} How can I help you?"


def is_lost(text: str) -> bool:
    """Tell whether the script has no answer to what a consumer said."""
    return _known(text) is None


def reply_to(text: str, turn: int) -> Reply:
    """Give the script's answer to what a consumer said; `turn` counts how often it was lost."""
    return _known(text) or _OTHERWISE[turn % len(_OTHERWISE)]


def _known(text: str) -> Reply | None:
    for pattern, reply in _SCRIPT:
        if re.search(pattern, text, re.IGNORECASE):
            return reply
    return None

"""The Web API: one file per family of methods, `call.py` for what they share.

Importing this package registers every method in `METHODS`.
"""

from __future__ import annotations

from lp_sandbox.slack.web_api import (
    apps,
    assistant,
    chat,
    conversations,
    facts,
    files,
    reactions,
    views,
)
from lp_sandbox.slack.web_api.call import METHODS

__all__ = [
    "METHODS",
    "apps",
    "assistant",
    "chat",
    "conversations",
    "facts",
    "files",
    "reactions",
    "views",
]

"""Several messages as one post: in order, and with their authors' names where they differ. Pure.

Slack takes about one post a second in a channel. What waits for a thread meanwhile leaves together.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

import msgspec

from bridge.content.markup import escape
from bridge.relay.shared.cards import CardPost
from bridge.slack.views import blocks
from bridge.slack.web.sender import Post

MOST_MESSAGES: Final = 48
"""Each has a block at least, and its key in the post's metadata (Slack takes 8,000 characters)."""
MOST_BLOCKS: Final = 50
MOST_CHARACTERS: Final = 12_000
"""Of all blocks as JSON. Slack refuses from about 13,000 on."""
MOST_TEXT: Final = 3_900
"""Characters of the text for notifications. Slack may split one of more than 4,000 by itself."""
PLAIN: Final = frozenset({"context", "divider", "header", "rich_text", "section"})
"""Blocks that only show words."""


class Bundle(NamedTuple):
    """One post, and how many messages it shows."""

    post: Post
    messages: int


def is_plain(post: CardPost) -> bool:
    """Whether a message only shows words. A card's has to have a post of its own: it is changed."""
    return (
        not post.controls
        and bool(post.blocks)
        and all(each.get("type") in PLAIN and "accessory" not in each for each in post.blocks or ())
    )


def bundle(
    posts: Sequence[Post], hint: dict[str, Any] | None = None, *, nameless: bool = False
) -> Bundle:
    """As many of these messages, from the first on, as one post holds: at least one.

    `hint`: a block for the end of the post, left out where it does not fit. `nameless`: the post
    cannot have its author's name, so a line in it does.
    """
    shown, count = posts[0], 1
    for number in range(1, min(len(posts), MOST_MESSAGES) + 1):
        candidate = _joined(posts[:number], nameless=nameless)
        if not _fits(candidate):
            break
        shown, count = candidate, number
    if hint is not None and shown.blocks:
        hinted = Post(shown.text, [*shown.blocks, hint], shown.username, shown.icon_url)
        if _fits(hinted):
            shown = hinted
    return Bundle(shown, count)


def _joined(posts: Sequence[Post], *, nameless: bool) -> Post:
    runs = [(author, list(run)) for author, run in groupby(posts, _author)]
    (username, icon), _ = runs[0]
    if len(runs) == 1 and (username is None or not nameless):
        return Post(
            "\n".join(post.text for post in posts),
            [block for post in posts for block in post.blocks or ()],
            username,
            icon,
        )
    # In the bridge's own name: then a name above each run tells who says it.
    texts: list[str] = []
    shown: list[dict[str, Any]] = []
    for (name, _), run in runs:
        if shown:
            shown.append({"type": "divider"})
        if name is not None:
            shown.append(blocks.aside(f"{name}:"))
        said = "\n".join(post.text for post in run)
        texts.append(said if name is None else f"{escape(name)}: {said}")
        shown += [block for post in run for block in post.blocks or ()]
    return Post("\n".join(texts), shown)


def _author(post: Post) -> tuple[str | None, str | None]:
    return post.username, post.icon_url


def _fits(post: Post) -> bool:
    shown = post.blocks or []
    return (
        len(shown) <= MOST_BLOCKS
        and len(post.text) <= MOST_TEXT
        and len(msgspec.json.encode(shown)) <= MOST_CHARACTERS
    )

"""The events of a dialog as typed values (docs/liveperson-protocol.md §5)."""

from __future__ import annotations

from typing import Any

import msgspec

from bridge.liveperson.bounds import number

DEPTH = 40
"""How deep structured content may be nested; what is deeper is left out of its text."""


class TextEvent(msgspec.Struct, frozen=True, gc=False):
    """A message in words."""

    content_type: str
    """`text/plain`, `text/x-secure-link`, …"""
    message: str
    quick_replies: Any = None
    """Answers to press, below it; JSON as it came."""

    takes_sequence = True


class FileEvent(msgspec.Struct, frozen=True, gc=False):
    """A file in LivePerson's storage."""

    caption: str
    relative_path: str
    file_type: str
    """IMG, JPG, PNG, GIF, TXT, PDF, …"""

    takes_sequence = True


class RichEvent(msgspec.Struct, frozen=True):
    """Structured content: cards, buttons, lists."""

    content: Any
    """JSON as it came: an object, or (from LivePerson's history) a string that holds one."""
    quick_replies: Any = None
    """Answers to press, below it; JSON as it came."""

    takes_sequence = True

    @property
    def text(self) -> str:
        """The texts in it, a line each, in order: shown where the content itself cannot be."""
        lines: list[str] = []
        _gather(_opened(self.content), lines, DEPTH)
        return "\n".join(lines)


class ChatStateEvent(msgspec.Struct, frozen=True, gc=False):
    """Someone types, or stopped. Its sequence is always 0."""

    chat_state: str
    """ACTIVE, INACTIVE, GONE, COMPOSING or PAUSE."""

    takes_sequence = False


class AcceptStatusEvent(msgspec.Struct, frozen=True):
    """A receipt."""

    status: str
    """ACCEPT, READ, ACCESS, NACK or ACTION."""
    sequences: tuple[int, ...]

    takes_sequence = True


class HiddenEvent(msgspec.Struct, frozen=True, gc=False):
    """What agents say among themselves. Its words are not even read: nobody can show them."""

    takes_sequence = True


class UnknownEvent(msgspec.Struct, frozen=True, gc=False):
    """Something that this client does not know."""

    type: str
    content_type: str | None
    title: str = ""
    """What it calls itself, if it does: a secure form has a title."""

    takes_sequence = True


Event = (
    TextEvent
    | FileEvent
    | RichEvent
    | ChatStateEvent
    | AcceptStatusEvent
    | HiddenEvent
    | UnknownEvent
)


def read_event(event: Any) -> Event:
    """Read an event's JSON, whatever it is."""
    if not isinstance(event, dict):
        return UnknownEvent("", None)
    kind = _text(event.get("type"))
    if kind == "ContentEvent":
        return _content(event)
    if kind == "ChatStateEvent":
        return ChatStateEvent(_text(event.get("chatState")))
    if kind == "AcceptStatusEvent":
        listed = event.get("sequenceList")
        numbers = listed if isinstance(listed, list) else [listed]
        return AcceptStatusEvent(
            _text(event.get("status")), tuple(n for n in map(number, numbers) if n is not None)
        )
    if kind == "RichContentEvent":
        # The published schema says `message`, LivePerson's own agent tooling sends `content`.
        rich = event.get("content", event.get("message"))
        return RichEvent(rich, event.get("quickReplies"))
    return UnknownEvent(kind, _text(event.get("contentType")) or None)


def _content(event: dict[str, Any]) -> Event:
    stated = _text(event.get("contentType")) or "text/plain"
    content_type = stated.partition(";")[0].strip().lower()
    message = event.get("message")
    if isinstance(message, str):
        return TextEvent(content_type, message, event.get("quickReplies"))
    if isinstance(message, dict) and isinstance(message.get("relativePath"), str):
        return FileEvent(
            _text(message.get("caption")),
            message["relativePath"],
            _text(message.get("fileType")),
        )
    title = _text(message.get("title")) if isinstance(message, dict) else ""
    return UnknownEvent("ContentEvent", content_type, title)


_WORDS = ("text", "title", "caption")


def _gather(node: Any, lines: list[str], depth: int) -> None:
    if depth == 0:
        return
    if isinstance(node, list):
        for item in node:
            _gather(item, lines, depth - 1)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in _WORDS and isinstance(value, str) and value.strip():
                lines.append(value.strip())
            elif key not in ("click", "metadata", "style"):
                _gather(value, lines, depth - 1)


def _opened(content: Any) -> Any:
    """Structured content that came as a string, read."""
    try:
        return msgspec.json.decode(content) if isinstance(content, str) else content
    except (msgspec.DecodeError, RecursionError):
        return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""

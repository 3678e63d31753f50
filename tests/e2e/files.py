"""Files in tests: small ones of every kind, and what each side has got of them."""

from __future__ import annotations

import io
import random
import zipfile
from typing import Any

from PIL import Image

from tests.e2e.world import Thread, World


def picture(form: str = "PNG", size: tuple[int, int] = (60, 40), colour: str = "teal") -> bytes:
    """A small picture."""
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, form)
    return out.getvalue()


def noise(side: int = 1_100) -> bytes:
    """A PNG of more than 3 MB."""
    raw = random.Random(1).randbytes(side * side * 3)
    out = io.BytesIO()
    Image.frombytes("RGB", (side, side), raw).save(out, "PNG", compress_level=1)
    return out.getvalue()


def office(folder: str) -> bytes:
    """An office document, as far as anybody looks at it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        target.writestr("[Content_Types].xml", "x")
        target.writestr(f"{folder}/document.xml", "x")
    return out.getvalue()


PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"


def got(world: World, conversation: Any) -> list[Any]:
    """What the agent has of the consumer, in order: texts, and for files (caption, type, bytes)."""
    found: list[Any] = []
    for entry in world.liveperson.transcript(conversation.id):
        if entry.role != "CONSUMER" or entry.event["type"] != "ContentEvent":
            continue
        message = entry.event["message"]
        if isinstance(message, str):
            found.append(message)
        else:
            data = world.liveperson.storage.read(message["relativePath"])
            found.append((message["caption"], message["fileType"], data))
    return found


def shown(world: World, thread: Thread) -> list[tuple[str, bytes | None]]:
    """The files that the bridge has put into a thread, in order: the words above, and the bytes."""
    return [
        (message["text"], world.slack.files.by_id[file["id"]].data)
        for message in thread.replies
        for file in message.get("files", ())
        if message.get("bot_id")
    ]

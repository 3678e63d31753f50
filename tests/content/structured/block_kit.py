"""Block Kit by Slack's published limits, read strictly: written apart from bridge and sandbox."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

from bridge.content.rendered import Rendered
from lp_sandbox.slack import blocks as sandbox

_ENTITY = re.compile(r"&(?:amp|lt|gt);")
_LINK = re.compile(r"<(?:https?://|mailto:)[!-;=?-~]+(?:\|[^<>|]+)?>", re.IGNORECASE)
_MENTION = re.compile(r"<@[UW][A-Z0-9]+>")
INSIDE = {"section", "context", "actions", "image", "header", "divider"}
CHOOSERS = {"checkboxes", "radio_buttons", "static_select", "datepicker"}


def check_message(message: Rendered) -> None:
    """Raise AssertionError where Slack would refuse or change the message."""
    assert message.text.strip()
    assert len(message.text) <= 3_000
    assert not re.search(r"<[!#@]", message.text)
    message.text.encode()
    check_blocks(message.blocks)


def check_blocks(blocks: list[dict[str, Any]], *, most: int = 50) -> None:
    """Raise AssertionError where Slack would refuse these blocks in a message."""
    assert 1 <= len(blocks) <= most
    serialised = json.dumps(blocks, ensure_ascii=False)
    serialised.encode()
    assert len(serialised) <= 12_000, len(serialised)
    sandbox.read(blocks)
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    assert len(ids) == len(set(ids))
    assert all(1 <= len(each) <= 255 for each in ids)
    assert sum(block["type"] == "table" for block in blocks) <= 1
    for each in blocks:
        block(each)


def check_view(title: str, submit: str, blocks: list[dict[str, Any]]) -> None:
    """Raise AssertionError where Slack would refuse this modal."""
    assert 1 <= len(title) <= 24
    assert 1 <= len(submit) <= 24
    assert 1 <= len(blocks) <= 100
    assert len(json.dumps(blocks)) <= 240_000
    for each in blocks:
        assert each["type"] in {"input", "context"}
        block(each)


def block(value: dict[str, Any]) -> None:
    """Check one block."""
    kind = value["type"]
    only(value, "type", "block_id", *FIELDS[kind])
    match kind:
        case "section":
            assert "text" in value or "fields" in value
            if "text" in value:
                text(value["text"], 3_000)
            for field in value.get("fields", ()):
                text(field, 2_000)
            assert 1 <= len(value.get("fields", [0])) <= 10
            if "accessory" in value:
                image(value["accessory"])
        case "context":
            assert 1 <= len(value["elements"]) <= 10
            for each in value["elements"]:
                text(each, 2_000)
        case "actions":
            assert 1 <= len(value["elements"]) <= 25
            row(value["elements"])
        case "image":
            image({k: v for k, v in value.items() if k not in ("title", "block_id")})
            if "title" in value:
                text(value["title"], 2_000, plain=True)
        case "rich_text":
            rich_text(value)
        case "card":
            card(value)
        case "carousel":
            assert 1 <= len(value["elements"]) <= 10
            for each in value["elements"]:
                assert each["type"] == "card"
                block(each)
        case "container":
            container(value)
        case "table":
            table(value)
        case "input":
            text(value["label"], 2_000, plain=True)
            if "hint" in value:
                text(value["hint"], 2_000, plain=True)
            element(value["element"])
            assert value["element"]["type"] in CHOOSERS


FIELDS = {
    "section": ("text", "fields", "accessory"),
    "context": ("elements",),
    "actions": ("elements",),
    "image": ("image_url", "alt_text", "title"),
    "rich_text": ("elements",),
    "divider": (),
    "card": ("hero_image", "title", "body", "subtext", "actions"),
    "carousel": ("elements",),
    "container": ("title", "subtitle", "child_blocks", "is_collapsible", "default_collapsed"),
    "table": ("rows",),
    "input": ("label", "hint", "element", "optional"),
}


def only(value: dict[str, Any], *names: str) -> None:
    assert value.keys() <= set(names), value.keys() - set(names)


def text(value: dict[str, Any], most: int, *, plain: bool = False) -> None:
    assert 1 <= len(value["text"]) <= most, (len(value["text"]), most)
    assert value["text"].strip()
    if value["type"] == "plain_text":
        only(value, "type", "text", "emoji")
        assert value["emoji"] is False
        literal(value["text"])
    else:
        assert not plain
        assert value["type"] == "mrkdwn"
        only(value, "type", "text", "verbatim")
        assert value["verbatim"] is True
        literal(_MENTION.sub("", _LINK.sub("", value["text"])))
        for label in re.findall(r"<https?://([^/|>]+)[^|>]*\|([^>]+)>", value["text"]):
            honest(label[1], f"https://{label[0]}/")


def literal(words: str) -> None:
    """No reference and no broken entity can be read in it."""
    assert not set("&<>") & set(_ENTITY.sub("", words)), words


def honest(label: str, url: str) -> None:
    """A label does not name another host than the one it leads to."""
    host = (urlsplit(url).hostname or "").removeprefix("www.")
    if label.lower().startswith("http") and ascii_host(urlsplit(label).hostname or "") == host:
        return  # it is the address, as it was typed
    for named in re.findall(r"[\w-]+(?:\.[\w-]+)*\.[^\W\d_]{2,}", label.lower()):
        if ascii_host(named).removeprefix("www.") != host:
            assert host in label.lower(), (label, url)


def ascii_host(name: str) -> str:
    try:
        return name.encode("idna").decode()
    except UnicodeError:
        return name


def address(url: str) -> None:
    assert re.fullmatch(r"https?://[!-~]+", url, re.IGNORECASE), url
    assert len(url) <= 3_000
    assert "@" not in urlsplit(url).netloc


def image(value: dict[str, Any]) -> None:
    only(value, "type", "image_url", "alt_text")
    assert value["type"] == "image"
    address(value["image_url"])
    assert 1 <= len(value["alt_text"]) <= 2_000


def row(elements: list[dict[str, Any]]) -> None:
    ids = [each["action_id"] for each in elements]
    assert len(ids) == len(set(ids))
    for each in elements:
        element(each)


def element(value: dict[str, Any]) -> None:
    assert re.fullmatch(r"lp_(?:press|link|choose|submit|open):\d+(?::\d+)?", value["action_id"])
    match value["type"]:
        case "button":
            only(value, "type", "text", "action_id", "value", "url", "accessibility_label")
            text(value["text"], 75, plain=True)
            assert 1 <= len(value["value"]) <= 2_000
            assert 1 <= len(value.get("accessibility_label", "x")) <= 75
            if "url" in value:
                address(value["url"])
                honest(value["text"]["text"], value["url"])
        case "checkboxes" | "radio_buttons":
            only(value, "type", "action_id", "options")
            assert 1 <= len(value["options"]) <= 10
            options(value["options"])
        case "static_select":
            only(value, "type", "action_id", "placeholder", "options", "option_groups")
            text(value["placeholder"], 150, plain=True)
            assert ("options" in value) != ("option_groups" in value)
            groups = value.get("option_groups") or [{"options": value["options"]}]
            assert 1 <= len(groups) <= 100
            for group in groups:
                assert 1 <= len(group["options"]) <= 100
                if "label" in group:
                    text(group["label"], 75, plain=True)
            options([option for group in groups for option in group["options"]])
        case kind:
            assert kind == "datepicker"
            only(value, "type", "action_id")


def options(values: list[dict[str, Any]]) -> None:
    seen = [each["value"] for each in values]
    assert len(seen) == len(set(seen))
    for each in values:
        only(each, "text", "value", "description")
        text(each["text"], 75, plain=True)
        assert 1 <= len(each["value"]) <= 150
        if "description" in each:
            text(each["description"], 75, plain=True)


def rich_text(value: dict[str, Any]) -> None:
    assert value["elements"]
    for paragraph in value["elements"]:
        assert paragraph["type"] in {"rich_text_section", "rich_text_quote"}
        assert paragraph["elements"]
        for leaf in paragraph["elements"]:
            only(leaf, "type", "text", "url", "style")
            assert set(leaf.get("style", {"bold": True}).values()) == {True}
            if leaf["type"] == "text":
                assert leaf["text"]
            else:
                assert leaf["type"] == "link"
                assert re.fullmatch(r"(?:https?://|mailto:)[!-~]+", leaf["url"], re.IGNORECASE)
                assert len(leaf["url"]) <= 3_000
                assert leaf.get("text") != ""
                if leaf["url"].startswith("http"):
                    honest(leaf.get("text", ""), leaf["url"])


def card(value: dict[str, Any]) -> None:
    assert {"hero_image", "title", "body", "actions"} & value.keys()
    if "hero_image" in value:
        image(value["hero_image"])
    for name, most in (("title", 150), ("body", 200), ("subtext", 200)):
        if name in value:
            text(value[name], most)
    if "actions" in value:
        assert 1 <= len(value["actions"]) <= 3
        row(value["actions"])
        assert all(each["type"] == "button" for each in value["actions"])


def container(value: dict[str, Any]) -> None:
    text(value["title"], 150, plain=True)
    if "subtitle" in value:
        text(value["subtitle"], 150)
    assert 1 <= len(value["child_blocks"]) <= 10
    assert {each["type"] for each in value["child_blocks"]} <= INSIDE
    assert "default_collapsed" not in value or value["is_collapsible"] is True
    for each in value["child_blocks"]:
        block(each)


def table(value: dict[str, Any]) -> None:
    assert 1 <= len(value["rows"]) <= 100
    for cells in value["rows"]:
        assert len(cells) == len(value["rows"][0]) <= 20
        for cell in cells:
            assert cell["type"] == "raw_text"
            assert cell["text"]

"""Strategies for every element and action of structured content, valid by LivePerson's schemas."""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import strategies as st

from tests.content.hostile import texts as hostile

Json = dict[str, Any]

_letters = st.characters(
    codec="utf-8", exclude_categories=("Cs", "Cc", "Cf", "Mn", "Me", "Zl", "Zp")
)
_WORDS = ["Hello", "Größe", "Preis 49,90 €", "a < b & c", "*bold* _it_", "👍🏽 ok", "שלום", "10:30"]


@st.composite
def words(draw: st.DrawFn, most: int, least: int = 0) -> str:
    """A text of at most so many characters; long ones too."""
    return draw(_words(most, least))


@st.composite
def _any(draw: st.DrawFn, name: str) -> Any:
    """One of the strategies below, by a name that stays short where it is printed."""
    return draw(globals()[name])


@cache
def _words(most: int, least: int) -> st.SearchStrategy[str]:
    plain = st.one_of(st.sampled_from(_WORDS), st.text(_letters, min_size=1, max_size=40), hostile)
    long = st.builds(
        lambda text, times: (text + " ") * times, plain, st.integers(1, max(1, most // 8))
    )
    found = st.one_of(plain, plain, long).map(lambda text: text[:most])
    return found.filter(lambda text: len(text.strip()) >= least) if least else found


def some(**fields: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
    return fields


_urls = st.one_of(
    st.sampled_from(
        [
            "https://example.com/a.png",
            "www.example.com/shop?q=1&r=<2>",
            "http://example.org",
            "tel:+49301234",
            "mailto:help@example.com",
            "https://evil.example/good.com",
            "not an address",
            "https://example.com/" + "x" * 900,
        ]
    ),
    words(60, 1),
)
_style = st.fixed_dictionaries(
    {},
    optional=some(
        bold=st.booleans(), color=st.just("#ff0000"), size=st.sampled_from(["small", "large"])
    ),
)
_accessible = st.fixed_dictionaries(
    {"web": st.fixed_dictionaries({}, optional={"aria-label": words(100), "role": st.just("img")})}
)
_meta = st.lists(
    st.one_of(
        st.fixed_dictionaries({"type": st.just("ExternalId"), "id": words(30)}),
        st.fixed_dictionaries(
            {
                "type": st.just("Answer"),
                "questionId": st.uuids().map(str),
                "id": st.integers(0, 10**18),
                "weight": st.floats(allow_nan=False, allow_infinity=False),
            }
        ),
    ),
    max_size=3,
)
_common = some(
    rtl=st.booleans(), tooltip=words(256), tag=words(64), tagVersion=st.just("1"), style=_style,
    alt=words(2_000), accessibility=_accessible,
)  # fmt: skip

_la = st.floats(-90, 90)
_lo = st.floats(-180, 180)
slots = st.fixed_dictionaries(
    {"type": st.just("scheduleSlot"), "id": words(30, 1), "start": st.integers(0, 2_000_000_000)},
    optional=some(
        end=st.integers(0, 2_000_000_000), title=words(40), description=words(40), imageUrl=_urls
    ),
)


def _action(kind: str, required: Json, optional: Json | None = None) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries({"type": st.just(kind), **required}, optional=optional or {})


publish = _action("publishText", {"text": words(256, 1)})
link = _action(
    "link",
    {"uri": _urls},
    some(
        name=words(256),
        web=st.fixed_dictionaries({}, optional={"uri": _urls}),
        ios=st.fixed_dictionaries({}, optional={"uri": _urls}),
        target=st.sampled_from(["self", "blank", "slideout"]),
    ),
)
navigate = _action("navigate", {"la": _la, "lo": _lo}, some(name=words(256)))
pairs = st.fixed_dictionaries({"key": words(128)}, optional=some(value=words(2_048)))
actions = st.one_of(
    publish,
    link,
    navigate,
    _action("addToCart", {"items": st.just([{"productId": "7", "quantity": 2}])}),
    _action("custom", {}, some(data=st.lists(pairs, max_size=3))),
    _action(
        "datePicker",
        {"class": st.sampled_from(["single", "range"])},
        some(
            title=words(40), minDate=st.integers(0, 2_000_000_000),
            maxDate=st.integers(0, 2_000_000_000), dateFormat=st.sampled_from(["dd/MM/yyyy", "x"]),
        ),
    ),
    _action("scheduleSlotList", {}, some(title=words(40), slots=st.lists(slots, max_size=6))),
)  # fmt: skip
clicks = st.fixed_dictionaries(
    {}, optional=some(actions=st.lists(_any("actions"), max_size=4), metadata=_meta)
)
_click = some(click=_any("clicks"))

text = st.fixed_dictionaries(
    {"type": st.just("text"), "text": words(5_000)}, optional={**_common, **_click}
)
image = st.fixed_dictionaries(
    {"type": st.just("image"), "url": _urls}, optional={**_common, **_click, "caption": words(128)}
)
button = st.fixed_dictionaries(
    {"type": st.just("button"), "title": words(128)},
    optional={
        **_common,
        **_click,
        "subtitle": words(128),
        "class": st.just("button"),
        "ref": st.fixed_dictionaries(
            {"name": st.sampled_from(["a", "b"]), "type": st.just("carouselSelect")}
        ),
    },
)
place = st.fixed_dictionaries(
    {"type": st.just("map"), "la": _la, "lo": _lo}, optional={**_common, **_click}
)
preview = st.fixed_dictionaries(
    {"type": st.just("linkPreview"), "url": _urls},
    optional={**_common, **_click, "title": words(128)},
)
template = st.fixed_dictionaries(
    {
        "type": st.just("template"),
        "templateType": st.just("quickReply"),
        "title": words(5_000),
        "resp": st.lists(words(128), min_size=1, max_size=32),
    },
    optional={**_common, **_click},
)
table = st.fixed_dictionaries(
    {"type": st.just("keyValuePairList"), "elements": st.lists(pairs, min_size=1, max_size=50)}
)
_basics = st.one_of(text, image, button, place, preview, template, table)
basics: st.SearchStrategy[Json] = _any("_basics")


def _container(kind: str, inner: st.SearchStrategy[Any], least: int, most: int, **more: Any) -> Any:
    return st.fixed_dictionaries(
        {"type": st.just(kind), "elements": st.lists(inner, min_size=least, max_size=most), **more},
        optional=some(alt=words(200), tooltip=words(200), padding=st.just(3), style=_style),
    )


def _box(least: int = 0) -> st.SearchStrategy[Json]:
    checked = _action("checked", {"publishText": words(250, 1)})
    return st.fixed_dictionaries(
        {
            "type": st.just("checkbox"),
            "text": words(300),
            "click": st.fixed_dictionaries(
                {"actions": st.lists(checked, min_size=1, max_size=1)},
                optional=some(metadata=_meta),
            ),
        },
        optional=some(tooltip=words(100), tag=words(10), borderLine=st.booleans()),
    )


_submit = st.fixed_dictionaries(
    {
        "type": st.just("submitButton"),
        "title": words(128, 1),
        "click": st.fixed_dictionaries(
            {"actions": st.just([{"type": "submitAsText", "submit": True}])},
            optional=some(metadata=_meta),
        ),
    },
    optional=some(disabled=st.booleans(), tooltip=words(100)),
)
_checklists = st.fixed_dictionaries(
    {"type": st.just("checklist"), "elements": st.lists(_box(), min_size=2, max_size=14)}
)
_sections = st.builds(
    lambda title, boxes, name: {
        "type": "section",
        "sectionID": name,
        "elements": [title, boxes] if title else [boxes],
    },
    st.none() | text,
    _checklists,
    words(20),
)
checklist = st.builds(
    lambda title, sections, submit, other: {
        "type": "list",
        "elements": [
            title,
            {"type": "sectionList", "elements": sections},
            {"type": "buttonList", "elements": [submit, other] if other else [submit]},
        ],
    },
    text,
    st.lists(_sections, min_size=1, max_size=3),
    _submit,
    st.none() | button,
)


def _layers(below: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    inner: st.SearchStrategy[Any] = st.deferred(lambda: below)
    each = st.one_of(
        basics,
        st.fixed_dictionaries(
            {"type": st.just("vertical"), "elements": st.lists(inner, max_size=5)},
            optional=some(tag=words(64), metadata=_meta, alt=words(50), border=st.just("border")),
        ),
        st.fixed_dictionaries(
            {"type": st.just("horizontal"), "elements": st.lists(inner, max_size=4)},
            optional=some(percentages=st.just([50, 50]), metadata=_meta),
        ),
    )
    cards: st.SearchStrategy[Any] = st.deferred(lambda: each)
    mode = st.fixed_dictionaries(
        {"name": st.sampled_from(["a", "b"]), "type": st.sampled_from(["single", "multiple"])}
    )
    titles = st.lists(
        st.fixed_dictionaries({"name": words(200)}, optional=some(additional=words(200))),
        min_size=1, max_size=4,
    )  # fmt: skip
    return st.one_of(
        cards,
        cards,
        _container("carousel", cards, 2, 5),
        st.fixed_dictionaries(
            {"type": st.just("tabs"), "elements": st.lists(cards, min_size=1, max_size=4)}
        ),
        _container("carouselSelect", cards, 1, 12, selectMode=mode),
        _container("accordionSelect", cards, 1, 4, selectMode=mode, titles=titles),
        _any("checklist"),
    )


cards: st.SearchStrategy[Any] = st.recursive(basics, _layers, max_leaves=12)
quick_replies = st.none() | st.fixed_dictionaries(
    {
        "type": st.just("quickReplies"),
        "itemsPerRow": st.just(8),
        "replies": st.lists(button, min_size=1, max_size=24),
    }
)
any_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | hostile,
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            [
                "type", "elements", "text", "title", "url", "click", "actions", "metadata", "resp",
                "replies", "la", "lo", "ref", "name", "selectMode", "titles", "caption", "slots",
                "content", "message", "quickReplies", "accessibility", "web", "style", "value",
                "key", "uri", "start", "end", "minDate", "dateFormat", "publishText", "odd",
            ]
        ),
        inner
        | st.sampled_from(
            [
                "vertical", "Horizontal", "carousel", "CAROUSELSELECT", "accordionSelect", "tabs",
                "list", "sectionList", "section", "checklist", "checkbox", "buttonList", "button",
                "submitButton", "text", "image", "map", "linkPreview", "template", "scheduleSlot",
                "keyValuePairList", "quickReplies", "publishText", "link", "navigate", "checked",
                "datePicker", "scheduleSlotList", "submitAsText", "custom", "RichContentEvent",
            ]
        ),
        max_size=6,
    ),
    max_leaves=25,
)  # fmt: skip

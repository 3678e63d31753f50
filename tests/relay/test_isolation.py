"""One workspace can neither see nor touch another's sessions, whatever ids its requests have.

Hypothesis calls every verb of `Service` for a workspace, with ids that are its own, another's or
nobody's, in every mixture. Whatever is stored for the other workspace stays as it is, and no answer
tells anything of it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import inspect
import shutil
import types
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from bridge.errors import ExplainedError
from bridge.ids import ChannelId, MessageTs, OrganizationId, SessionId, TeamId, UserId
from bridge.relay.shared.cards import CardPost
from bridge.slack import port
from bridge.slack.port import Service, WriterKind
from bridge.store import installations, outbox
from bridge.store.connection import Transaction
from bridge.store.database import Database, open_database
from bridge.store.models import INBOX, INSTALLATIONS, OUTBOX, SESSIONS
from bridge.store.rows import NewOutbox
from tests.oauth.rows import installation
from tests.relay.bench import CHANNEL, TEAM, bench_of
from tests.relay.counter import THREAD, Counter, counter_of

MINE, THEIRS = TEAM, TeamId("T0THEIRS")
SECRET = "What only the other workspace may see"
SHARED_THREAD = THREAD
"""Both workspaces have a thread of this channel and this timestamp."""
LONELY_THREAD = MessageTs("1700000000.000002")
"""Only the other workspace has this one."""
SESSIONS_OF = {
    "mine": SessionId("mine"),
    "theirs": SessionId("theirs"),
    "lonely": SessionId("lonely"),
}

NAMED: dict[Any, st.SearchStrategy[Any]] = {
    ChannelId: st.sampled_from([CHANNEL, CHANNEL, CHANNEL, ChannelId("C0NEW")]),
    UserId: st.sampled_from([UserId("U0ANA"), UserId("U0BEN"), UserId("U0NOBODY")]),
    MessageTs: st.sampled_from([SHARED_THREAD, LONELY_THREAD, LONELY_THREAD]),
    SessionId: st.sampled_from([*SESSIONS_OF.values(), SessionId("nobody's")]),
    OrganizationId: st.just(OrganizationId("E0MINE")),
    str: st.sampled_from(["12345678", "mine", "theirs", "lonely", SECRET, "status", "k", ""]),
    int: st.integers(0, 3),
    bool: st.booleans(),
    float: st.floats(0, 10),
    Any: st.none(),
    WriterKind: st.sampled_from([WriterKind.PERSON, WriterKind.PERSON, *WriterKind]),
}
"""What an argument of each type may be. A new type of the port needs a line here."""


def values(kind: Any, name: str = "") -> st.SearchStrategy[Any]:
    """Whatever Slack may say, but of one workspace: that is what the signature vouches for."""
    if kind is TeamId and name != "home":
        return st.just(MINE)
    if kind is TeamId:
        return st.sampled_from([MINE, THEIRS])
    if kind in NAMED:
        return NAMED[kind]
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(
            [st.none() if each is type(None) else values(each, name) for each in parts]
        )
    if origin is tuple and Ellipsis not in parts:
        return st.tuples(*map(values, parts))
    if origin in (tuple, list):
        return st.lists(values(parts[0]), max_size=2).map(origin)
    if origin is dict:
        return st.just({})
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return st.sampled_from(kind)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind, vars(port))
        return st.builds(kind, **{each: values(hint, each) for each, hint in hints.items()})
    raise AssertionError(f"{kind} is new in the port: say what values of it may be")


class Verb(NamedTuple):
    """A call of the service."""

    name: str
    given: dict[str, Any]


def verbs() -> st.SearchStrategy[Verb]:
    """Every verb that the port has, with any arguments."""
    found = []
    for name, function in inspect.getmembers(Service, inspect.isfunction):
        if name.startswith("_"):
            continue
        hints = typing.get_type_hints(function, vars(port))
        hints.pop("return", None)
        arguments = st.fixed_dictionaries(
            {each: values(hint, each) for each, hint in hints.items()}
        )
        found.append(st.builds(Verb, st.just(name), arguments))
    assert len(found) > 5
    return st.one_of(found)


async def theirs(database: Database) -> str:
    """Everything that is stored for the other workspace."""
    kept: list[Any] = []
    names = ("theirs", "lonely")
    async with database.read() as connection:
        for table, column in ((SESSIONS, SESSIONS.c.id), (INBOX, INBOX.c.session_id)):
            kept += (await connection.execute(select(table).where(column.in_(names)))).all()
        query = select(OUTBOX).where(OUTBOX.c.session_id.in_(names))
        kept += (await connection.execute(query)).all()
        place = select(INSTALLATIONS).where(INSTALLATIONS.c.place == THEIRS)
        kept += (await connection.execute(place)).all()
    return "\n".join(map(str, kept))


async def prepared(counter: Counter) -> None:
    """A session of ours, and two of the other workspace with a card each."""
    bench = counter.bench
    for name, session in SESSIONS_OF.items():
        await counter.thread(
            id=session,
            team_id=MINE if name == "mine" else THEIRS,
            thread_ts=LONELY_THREAD if name == "lonely" else SHARED_THREAD,
            label="ours" if name == "mine" else SECRET,
            owner=None,
        )

    async def work(transaction: Transaction) -> None:
        for place in (MINE, THEIRS):
            await installations.save(transaction, installation(place))
        card = msgspec.json.encode(CardPost(text=SECRET)).decode()
        for session in ("theirs", "lonely"):
            await outbox.add(
                transaction, SessionId(session), [NewOutbox(kind="agent", payload=card)]
            )

    await bench.database.writer.run(work)


async def scenario(url: str, key: str, calls: list[Verb]) -> None:
    async with open_database(url, keys=[key]) as database, bench_of(database) as bench:
        counter = counter_of(bench)
        await counter.supervisor.stop()
        await bench.deps.workspaces.start()
        await prepared(counter)
        before = await theirs(database)
        for call in calls:
            try:
                answer = getattr(counter.service, call.name)(**call.given)
                if inspect.isawaitable(answer):
                    answer = await answer
            except ExplainedError as error:
                answer = str(error)
            told = str(answer)
            echoed = SECRET in str(call.given)
            assert echoed or SECRET not in told, f"{call} told {told}"
            listed = answer if isinstance(answer, list) else []
            assert not {"theirs", "lonely"} & {getattr(each, "session", None) for each in listed}
            assert await theirs(database) == before, f"{call} touched another workspace's session"
        await counter.supervisor.stop()


@contextmanager
def a_copy(template: Path) -> Iterator[str]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "bridge.db"
        shutil.copy(template, path)
        yield f"sqlite:///{path}"


def test_no_verb_reaches_into_another_workspace(
    request: pytest.FixtureRequest, encryption_key: str
) -> None:
    migrated = request.getfixturevalue("_migrated_file")

    # Without shrinking: a failure names the call, and each example opens a database.
    @settings(max_examples=40, phases=[Phase.generate])
    @given(st.lists(verbs(), min_size=5, max_size=20))
    def property_(calls: list[Verb]) -> None:
        with a_copy(migrated) as url:
            asyncio.run(scenario(url, encryption_key, calls))

    property_()

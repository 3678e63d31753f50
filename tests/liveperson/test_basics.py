"""Account numbers, the cache, errors."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import errors
from bridge.liveperson import LivePersonError, Permanent, Transient, parse_account
from bridge.liveperson import errors as errors_module
from bridge.liveperson.cache import Cache
from bridge.liveperson.errors import (
    ClosedAtOnce,
    ConnectionLost,
    IdentityExpired,
    InvalidAccount,
    RequestRefused,
    RequestTimeout,
    ServerFailed,
    Throttled,
    TokenExpired,
    connection_lost,
)
from bridge.liveperson.rest import parse_retry_after


@pytest.mark.parametrize("text", ["12345678", " 12345678\n", "1", "0" * 20])
def test_account_numbers_are_digits(text: str) -> None:
    assert parse_account(text) == text.strip()


@pytest.mark.parametrize(
    "text",
    ["", " ", "abc", "12a", "-1", "1.5", "🙂", "١٢٣", "²", "1" * 21, "1" * 200, "1 2", "1/.."],
)
def test_anything_else_is_no_account(text: str) -> None:
    with pytest.raises(InvalidAccount) as raised:
        parse_account(text)
    assert len(str(raised.value)) < 100
    assert "digits" in raised.value.remedy


@given(st.text() | st.from_regex(r"[0-9]{1,22}", fullmatch=True))
def test_parse_account_gives_digits_or_says_no(text: str) -> None:
    said = None
    try:
        account = parse_account(text)
    except InvalidAccount as error:
        said = str(error)
    else:
        assert 1 <= len(account) <= 20
        assert set(account) <= set("0123456789")
    assert said is None or said.isprintable()


@pytest.mark.parametrize(
    ("code", "at_once", "kind"),
    [
        (4401, False, TokenExpired),
        (4401, True, TokenExpired),
        (4407, False, IdentityExpired),
        (1006, True, ClosedAtOnce),
        (None, True, ClosedAtOnce),
        (1001, False, ConnectionLost),
        (None, False, ConnectionLost),
    ],
)
def test_a_close_code_becomes_its_kind_of_error(
    code: int | None, at_once: bool, kind: type[ConnectionLost]
) -> None:
    lost = connection_lost(code, "bye", at_once=at_once)
    assert type(lost) is kind
    assert lost.at_once is at_once
    assert lost.close_code == code


def test_every_error_has_a_code_of_its_own_and_a_remedy() -> None:
    kinds = [
        kind
        for kind in vars(errors_module).values()
        if isinstance(kind, type) and issubclass(kind, LivePersonError)
    ]
    assert len({kind.code for kind in kinds}) == len(kinds) > 20
    assert all(kind.remedy.endswith(".") for kind in kinds)
    for kind in set(kinds) - {LivePersonError, Permanent, Transient}:
        assert issubclass(kind, Permanent) != issubclass(kind, Transient)
        assert issubclass(kind, errors.Permanent) != issubclass(kind, errors.Transient)


@pytest.mark.parametrize(
    ("error", "unknown"),
    [
        (RequestRefused("ms.PublishEvent", 400, "no"), False),
        (Throttled("slower"), False),
        (ServerFailed("ms.PublishEvent", 500, "oops"), True),
        (RequestTimeout("no answer"), True),
        (connection_lost(4401, "", at_once=False), True),
    ],
)
def test_the_type_tells_whether_a_request_may_have_taken_effect(
    error: LivePersonError, *, unknown: bool
) -> None:
    assert isinstance(error, errors.OutcomeUnknown) is unknown


def test_foreign_words_in_errors_are_short_and_printable() -> None:
    error = RequestRefused("ms.PublishEvent", 400, "\x1b[31mno\n" + "x" * 5_000)
    assert str(error).isprintable()
    assert len(str(error)) < 300


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3", 3), ("0.5", 0.5), ("-1", 0), ("nan", None), ("inf", 3600), ("soon", None), (None, None)],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(
    text: str | None, seconds: float | None
) -> None:
    assert parse_retry_after(text) == seconds
    assert parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_the_cache_remembers_for_a_while_and_is_bounded() -> None:
    clock = Clock()
    cache: Cache[str, int] = Cache(size=2, clock=clock)
    asked: list[str] = []

    async def look(key: str) -> int:
        async def fetch() -> tuple[int, float]:
            asked.append(key)
            return len(asked), 10.0

        return await cache.get(key, fetch)

    assert [await look("a"), await look("a")] == [1, 1]
    clock.now = 11
    assert await look("a") == 2
    assert [await look("b"), await look("c"), await look("a")] == [3, 4, 5]
    cache.forget("a")
    assert await look("a") == 6


async def test_one_look_up_at_a_time_and_errors_are_shared() -> None:
    cache: Cache[str, int] = Cache()
    gate = asyncio.Event()
    asked = 0

    async def fetch() -> tuple[int, float]:
        nonlocal asked
        asked += 1
        await gate.wait()
        raise Throttled("slow down", retry_after=1)

    waiting = [asyncio.create_task(cache.get("a", fetch)) for _ in range(3)]
    await asyncio.sleep(0)
    gate.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Throttled] * 3
    assert asked == 1


async def test_when_whoever_looks_is_cancelled_another_takes_over() -> None:
    cache: Cache[str, int] = Cache()
    gate = asyncio.Event()
    started = asyncio.Event()

    async def fetch() -> tuple[int, float]:
        started.set()
        await gate.wait()
        return 1, 10.0

    first = asyncio.create_task(cache.get("a", fetch))
    await started.wait()
    second = asyncio.create_task(cache.get("a", fetch))
    await asyncio.sleep(0)
    first.cancel()
    gate.set()
    assert await asyncio.wait_for(second, 5) == 1
    assert first.cancelled()

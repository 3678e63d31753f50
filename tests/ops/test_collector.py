"""The garbage collector is off during imports, and on again even if they fail."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from bridge.ops import collector


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    gc.enable()
    gc.unfreeze()


def test_it_rests_while_modules_are_read_and_does_not_look_at_them_again() -> None:
    with collector.resting():
        assert not gc.isenabled()
        kept = [[number] for number in range(1_000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= len(kept)


def test_it_is_back_at_work_when_reading_fails() -> None:
    with pytest.raises(ImportError), collector.resting():
        raise ImportError
    assert gc.isenabled()

"""What somebody else can cause is logged now and then, and counted meanwhile."""

from __future__ import annotations

import logging

import pytest

from bridge.liveperson.seldom import SECONDS, Seldom


def test_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    seldom = Seldom(logging.getLogger("test"), clock=lambda: now)
    for number in range(1_000):
        seldom.warning("no. %d", number)
    now = SECONDS
    seldom.warning("no. %d", 1_000)
    assert caplog.messages == ["no. 0", "no. 1000 (and 999 times before)"]

"""Somebody installs the app in a workspace, or tries to make somebody else do so."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from bridge.oauth import install
from bridge.store.database import open_database
from lp_sandbox.slack.server import SlackSandbox
from tests.e2e.world import ANA, CHANNEL, World, said
from tests.oauth.browser import Browser

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


async def test_a_workspace_that_has_installed_the_app_can_use_it_at_once(
    world: World, browser: Browser, encryption_key: str
) -> None:
    before = await world.slack.command(ANA, CHANNEL, "help")
    assert before.response is None, "the bridge does not answer where it is not installed"
    page = await browser.install(world.slack)
    assert page.status == 200
    assert "is installed" in page.text
    assert "Sandbox" in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "no-store"
    thread, conversation = await world.talking()
    await thread.say("hello")
    await world.until(lambda: said(world, conversation) == ["hello"])
    await world.liveperson.say(conversation.id, "hello too")
    await thread.shows("hello too")
    async with (
        open_database(world.env["DATABASE_URL"], keys=[encryption_key]) as database,
        database.read() as transaction,
    ):
        row = (await transaction.execute(text("SELECT * FROM installations"))).one()
    assert row.place == world.slack.team.id
    assert world.slack.bot_token not in str(row), "it is encrypted"


async def test_an_install_is_finished_once_and_in_the_browser_that_began(
    world: World, browser: Browser
) -> None:
    back = await browser.agree(await browser.begin())
    mine, browser.cookie = browser.cookie, ""
    assert (await browser.open(back)).status == 400, "somebody else was sent a link"
    assert (await browser.open(back.with_query(state="", code="x"))).status == 400
    await browser.begin()
    assert (await browser.open(back)).status == 400, "they are installing it, too"
    browser.cookie = mine
    assert world.slack.oauth.exchanges == []
    assert (await browser.open(back)).status == 200
    again = await browser.open(back)
    assert again.status == 400
    assert "opened before" in again.text
    assert world.slack.oauth.exchanges == ["code"]


async def test_an_install_has_ten_minutes(
    world: World, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "GOOD_SECONDS", 0)
    back = await browser.agree(await browser.begin())
    late = await browser.open(back)
    assert late.status == 400
    assert "ten minutes" in late.text


async def test_what_goes_wrong_at_slack_is_told_in_a_sentence(
    world: World, browser: Browser
) -> None:
    cancelled = await browser.install(world.slack, deny="1")
    assert "cancelled" in cancelled.text
    back = await browser.agree(await browser.begin())
    bad = await browser.open(back.update_query(code="<b>none</b>"))
    assert bad.status == 502
    assert "invalid_code" in bad.text
    assert "<b>" not in bad.text
    world.slack.oauth.client_secret = "another"
    wrong = await browser.install(world.slack)
    assert "SLACK_CLIENT_SECRET" in wrong.text
    world.slack.oauth.client_secret = world.env["SLACK_CLIENT_SECRET"]
    world.slack.faults.server_error("auth.test")
    assert (await browser.install(world.slack)).status == 502
    assert (await browser.install(world.slack)).status == 200


async def test_looking_at_a_link_begins_nothing(browser: Browser) -> None:
    async with browser.http.head(f"{browser.address}/slack/install") as answer:
        assert answer.status == 405


async def test_a_name_of_a_workspace_cannot_change_the_page(
    world: World, other: SlackSandbox, browser: Browser
) -> None:
    object.__setattr__(other.team, "name", "<script>alert(1)</script>")
    page = await browser.install(other)
    assert page.status == 200
    assert "<script>" not in page.text

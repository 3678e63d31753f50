"""A browser that follows the install, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from http.cookies import SimpleCookie

import aiohttp
from yarl import URL

from lp_sandbox.slack.server import SlackSandbox


@dataclass
class Page:
    """What a browser shows at last."""

    status: int
    text: str
    headers: dict[str, str]


@dataclass
class Browser:
    """It keeps the bridge's cookie, over http as a browser does on one's own machine."""

    http: aiohttp.ClientSession
    address: str
    cookie: str = ""

    async def begin(self) -> URL:
        """Open the bridge's page; where it sends one to."""
        async with self.http.get(f"{self.address}/slack/install", allow_redirects=False) as found:
            assert found.status == 302, await found.text()
            jar: SimpleCookie = SimpleCookie(found.headers["Set-Cookie"])
            [(name, morsel)] = jar.items()
            assert morsel["httponly"]
            assert morsel["secure"]
            assert morsel["samesite"] == "Lax"
            self.cookie = f"{name}={morsel.value}"
            return URL(found.headers["Location"])

    async def agree(self, at: URL, **more: str) -> URL:
        """Agree at Slack; where it sends one back to."""
        async with self.http.get(at.update_query(more), allow_redirects=False) as found:
            assert found.status == 302, await found.text()
            return URL(found.headers["Location"])

    async def open(self, address: URL) -> Page:
        """Come back to the bridge."""
        headers = {"Cookie": self.cookie} if self.cookie else {}
        async with self.http.get(address, headers=headers, allow_redirects=False) as found:
            return Page(found.status, await found.text(), dict(found.headers))

    async def install(self, slack: SlackSandbox, **more: str) -> Page:
        """Install the app in a workspace."""
        back = await self.agree(await self.begin(), team=slack.team.id, **more)
        return await self.open(back)

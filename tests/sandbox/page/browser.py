"""What the fixtures of these tests give."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from playwright.async_api import Page

OpenPage = Callable[..., Awaitable[Page]]
"""`await open_page(url, width=1280, height=860)`."""
Keep = Callable[[Page, str], Awaitable[None]]
"""`await keep(page, name)` keeps a picture among the artefacts."""

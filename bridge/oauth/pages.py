"""The pages that somebody sees who installs the app: a title, a sentence or two, a link."""

from __future__ import annotations

from html import escape
from typing import Final

from aiohttp import web

_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }}
main {{ max-width: 34rem; margin: 15vh auto 0; padding: 0 1.5rem }}
h1 {{ font-size: 1.4rem }}
</style>
<main><h1>{title}</h1><p>{text}</p>{link}</main>
</html>
"""
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
"""The address of the page holds a code, which no other site may learn of."""


def page(title: str, text: str, *, status: int = 200, again: str | None = None) -> web.Response:
    """Make a page. `again`: the address under which the install can be begun again."""
    link = f'<p><a href="{escape(again)}">Begin again</a></p>' if again else ""
    shown = _PAGE.format(title=escape(title), text=escape(text), link=link)
    return web.Response(status=status, text=shown, content_type="text/html", headers=_HEADERS)

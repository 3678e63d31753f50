"""Installations as the store keeps them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bridge.store.installations import InstallationRow


def installation(place: str, **more: Any) -> InstallationRow:
    """An installation, of a workspace unless its id is an organization's."""
    row = InstallationRow(
        place=place,
        organization=place.startswith("E"),
        name=f"Name of {place}",
        url="https://sandbox.slack.com/",
        bot_user_id="U0BRIDGE",
        bot_name="lp_bridge",
        bot_id="B0BRIDGE",
        scopes="chat:write,commands",
        token=f"xoxb-{place}",
        refresh_token=None,
        expires_at=None,
        installed_at=1,
        installed_by=None,
        removed_at=None,
    )
    return replace(row, **more)

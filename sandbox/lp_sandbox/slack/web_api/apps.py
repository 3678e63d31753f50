"""apps.connections.open: where a Socket Mode connection goes."""

from __future__ import annotations

from typing import Any

from lp_sandbox.slack.web_api.call import Call, method


@method("apps.connections.open", token="app")  # noqa: S106  the kind of token, not one
def connections_open(call: Call) -> dict[str, Any]:
    return {"url": call.open_socket()}

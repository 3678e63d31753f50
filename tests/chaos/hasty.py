"""`lp-bridge` that posts faster than about once a second per channel, which Slack would not like.

So a storm of agents' messages is over soon. Everything else is the real thing.
"""

from __future__ import annotations

import os

from bridge.slack.web.pace import Pace

HASTE = "BRIDGE_TEST_HASTE"
"""The variable in its environment that switches the fast pace on."""
QUICK = {"interval": 0.15, "burst": 8}


def hurry() -> None:
    """Let every pace that is not told otherwise be a quick one."""
    Pace.__init__.__kwdefaults__ = {**(Pace.__init__.__kwdefaults__ or {}), **QUICK}


if __name__ == "__main__":
    from bridge.cli import main

    if os.environ.get(HASTE):
        hurry()
    main(prog_name="lp-bridge")

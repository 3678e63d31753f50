"""Takes Slack's requests over HTTP or Socket Mode: within bounds, verified, and handed on.

Part of the upper half of `bridge.slack`, below Bolt and the listeners. Built by the composition
root.
"""

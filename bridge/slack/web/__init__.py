"""Slack's Web API: calls, the bridge's identity in each workspace, posts, and people's names.

Part of the lower half of `bridge.slack`. Used by `bridge.relay` and the listeners; imports neither.
"""

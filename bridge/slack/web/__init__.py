"""Slack's Web API: one call, who we are in which workspace, what is posted, what people are called.

The lower half of Slack's face. Used by `bridge.relay` and by the listeners; imports neither.
"""

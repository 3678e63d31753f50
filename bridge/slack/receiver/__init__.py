"""How Slack's requests come in, over HTTP or Socket Mode: bounded, verified, and handed on.

The upper half of Slack's face, below Bolt and the listeners. Built by the composition root.
"""

"""Slack's face. Lower half: `web` (the Web API), `views` (Block Kit), `text`. Upper half:
`receiver` (requests come in), `app` (Bolt) and `listeners` (what people do).
"""

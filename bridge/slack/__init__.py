"""All about Slack. The lower half: `web` (the Web API), `views` (Block Kit), `text`. The upper
half: `receiver` (takes requests), `app` (Bolt) and `listeners` (what people do).
"""

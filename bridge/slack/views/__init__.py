"""What the bridge shows in Slack, as Block Kit. Pure: values in, `Rendered` out.

Whatever comes from elsewhere (names, reasons) goes into `plain_text` or `rich_text`, where nothing
can format or ping; mrkdwn is for the bridge's own words.
"""

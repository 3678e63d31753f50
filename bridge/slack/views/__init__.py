"""What the bridge shows in Slack, as Block Kit. Pure: values in, `Rendered` out.

Text from elsewhere (names, reasons) goes into `plain_text` or `rich_text`, where it can neither
format nor ping. mrkdwn is for the bridge's own text.
"""

"""Installing the app in many workspaces (OAuth v2), and the tokens that this yields.

Only where SLACK_CLIENT_ID and SLACK_CLIENT_SECRET are set. Source:
https://docs.slack.dev/authentication/installing-with-oauth
"""

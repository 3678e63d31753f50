"""Files between Slack and LivePerson: what they are, and pictures made to fit. Pure."""

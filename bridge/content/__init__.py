"""Pure translation between what Slack writes and what LivePerson writes. No I/O, no state."""

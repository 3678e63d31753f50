"""A session with an open conversation, without its actor."""

from tests.relay.delivery.conftest import line

__all__ = ["line"]

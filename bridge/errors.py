"""The base classes of all errors, which say what the caller may do.

It imports nothing, so every room may use it. The three families of errors (`liveperson.errors`,
`store.errors` and `slack.web.errors`) inherit from these classes. Code that calls one of the three
catches that family; code above them all, such as a listener, need not know the families.

An error answers three questions:

- *What happened, and what is to be done?* `str(error)` and `remedy`, a plain sentence each.
- *Does it pass?* `Transient`: asked again later, it may go well. `Permanent`: not until a person
  has acted.
- *Is the outcome certain?* `OutcomeUnknown`: what was asked may have been done; look before asking
  again. After every other error it was certainly not done.
"""

from __future__ import annotations


class ExplainedError(Exception):
    """An error that says what happened (`str(error)`) and what to do, without any secret."""

    @property
    def remedy(self) -> str:
        """What a person can do about it: one plain sentence."""
        return "See the log for what happened."


class Permanent(ExplainedError):  # noqa: N818 - reads as what it says
    """Not done, and asking again changes nothing until a person acts."""


class Transient(ExplainedError):  # noqa: N818 - reads as what it says
    """Wait, then try again. Not done, unless it is an `OutcomeUnknown`."""


class OutcomeUnknown(Transient):
    """It may have been done, or not: look before asking again."""

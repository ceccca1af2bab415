"""What can go wrong with the journal, sorted by what is known about the rows.

::

    JournalError
     ├── JournalUnavailable    not written now; asking again is harmless and may succeed
     │    └── JournalLocked    another process holds the database
     ├── JournalRefused        not written, and these rows never will be
     └── JournalClosed         not written: this process is leaving

A unit that loses to an existing version is no error but an answer. What an effect or a ``look``
raises reaches its caller as it is.
"""


class JournalError(Exception):
    """Nothing of the group was written."""


class JournalUnavailable(JournalError):  # noqa: N818 - named for what is known
    """The database or its disk fails: full, unreadable, gone."""


class JournalLocked(JournalUnavailable):
    """Another process kept its lock for longer than the busy time-out."""


class JournalRefused(JournalError):  # noqa: N818
    """The database does not take these rows, or they contradict each other."""


class JournalClosed(JournalError):  # noqa: N818
    """The group came after `close`."""

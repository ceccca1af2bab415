"""What can be refused about wording, sorted by who mends it.

::

    WordingError
     ├── CatalogRefused     a file of a notice folder: which file, which key
     ├── TemplateRefused    a body, before it is compiled: which line
     └── RenderRefused      a value, when a text is made: which field, and what was expected

No message repeats a value of an event: those may be personal, and errors reach logs.
"""


class WordingError(Exception):
    """Anything about the words themselves."""


class CatalogRefused(WordingError):  # noqa: N818 - named for what happened
    """``file`` (below the catalog folder) is not as ``docs/guides/editors.md`` says, at ``key``."""

    def __init__(self, file: str, key: str, reason: str) -> None:
        super().__init__(f"{file}: {key}: {reason}" if key else f"{file}: {reason}")
        self.file, self.key, self.reason = file, key, reason


class TemplateRefused(WordingError):  # noqa: N818
    """Line ``line`` of the body ``file`` holds what a body may not; ``zh`` is for its editor."""

    def __init__(self, file: str, line: int, reason: str, zh: str) -> None:
        super().__init__(f"{file}:{line}: {reason}")
        self.file, self.line, self.reason, self.zh = file, line, reason, zh


class RenderRefused(WordingError):  # noqa: N818
    """A body and these values make no text that may be sent; ``field`` is empty for the whole."""

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(f"{field}: {expected}" if field else expected)
        self.field, self.expected = field, expected

"""What a writer knows of the streams it wrote to of late, so that it need not ask."""

TOPS_KEPT = 50_000
"""Streams whose last version is kept in mind, twice: those between an intent and its receipt."""

CAREFUL_COMMITS = 16
"""So many commits ask which versions there are before they write, after one that lost and after
opening: what brings one conflict (another worker's slices, records published twice) brings more."""


class Tops:
    """The last versions of the streams this store wrote to of late.

    Rows stay, so a version that was seen is there; another process may have written more since.
    """

    def __init__(self) -> None:
        self._young: dict[bytes, int] = {}
        self._old: dict[bytes, int] = {}

    def get(self, stream: bytes) -> int:
        """The last version as far as is known: 0 for a stream that is not in mind."""
        return self._young.get(stream) or self._old.get(stream, 0)

    def learn(self, tops: dict[bytes, int]) -> None:
        """Take in what a commit left."""
        if len(self._young) > TOPS_KEPT:
            self._young, self._old = {}, self._young
        self._young.update(tops)

"""What is wrong with a value somebody gave: an answer to show, not an error to raise."""

from typing import NamedTuple


class Fault(NamedTuple):
    """``field`` names the value as the giver knows it; ``expected`` says what would be right."""

    field: str
    expected: str

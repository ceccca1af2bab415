"""Times in carriers' receipts. Pure."""

from datetime import datetime, timedelta, timezone


class Times:
    """Reads ``YYMMDDhhmm``, perhaps with seconds, in a zone ``offset_min`` east of UTC."""

    def __init__(self, offset_min: int) -> None:
        self.zone = timezone(timedelta(minutes=offset_min))
        self._read = ""
        self._read_ms = 0  # most receipts of a batch are of one minute

    def ms_of(self, written: str) -> int:
        """Whole Unix milliseconds; 0 where it is no time."""
        if written != self._read:
            self._read, self._read_ms = written, self._parse(written)
        return self._read_ms

    def _parse(self, written: str) -> int:
        pairs = [written[at : at + 2] for at in range(0, 12, 2)]
        fields = [int(pair) for pair in pairs if pair.isdecimal()]
        try:
            year, month, day, hour, minute, second, *_ = [*fields, 0]
            moment = datetime(2000 + year, month, day, hour, minute, second, tzinfo=self.zone)
        except ValueError:
            return 0
        return int(moment.timestamp() * 1000)

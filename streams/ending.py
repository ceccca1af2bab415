"""The one way out that acknowledges nothing."""

import logging
import os
from typing import NoReturn

EXIT_BROKEN = 70
"""EX_SOFTWARE: whoever supervises the process starts it again."""

_log = logging.getLogger("fenghuo.ending")


def end_process(sentence: str, error: BaseException | None = None) -> NoReturn:
    """End this process at once, with no clean-up, as a power cut would.

    A step that failed in a way nobody foresaw must not be followed by anything that tells Kafka
    its records are done with; a clean end could. What was not acknowledged comes again.
    """
    _log.critical("%s; this process ends at once", sentence, exc_info=error)
    logging.shutdown()
    os._exit(EXIT_BROKEN)

"""Where a process spends its CPU, seen from inside, with nothing patched and no call counted.

Each thread's CPU clock knows exactly what it spent; samples say at which lines. There are two ways
to take one, since whoever asks for the interpreter is given it where another lets go of it, and
would find the loop's thread nearly always about to wait:

- The loop's own thread is interrupted after every so many milliseconds *of its CPU*, wherever it
  is then.
- The others are looked at from a thread, and what they spend in the next moment is seen where they
  stood. They do few things each, and wait for the server most of the time.

What the loop does in C (sockets, wake-ups) counts for what it calls next.
"""

import ctypes
import json
import os
import signal
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from bench.cluster.lines import COPIED, TOTAL, Frame, line_of

MAIN_S = 0.002
"""CPU of the loop's thread from one sample to the next; one costs some thirty microseconds."""

LOOK_S = 0.005
MOMENT_S = 0.000_1
"""Short against what a thread does at one go, and long enough for its clock to move."""

KEEP_S = 0.5
"""How often the table is written to its file."""

OWN = "sampler"
"""Its own CPU is nobody's."""

_MODULE, _, _FUNCTION = COPIED.partition(":")


class _Event(ctypes.Structure):
    """sigevent(3type): a signal, to the process."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_char * 48),
    )


class _Times(ctypes.Structure):
    """itimerspec(3type)."""

    _fields_ = tuple(
        (name, ctypes.c_long) for name in ("every_s", "every_ns", "first_s", "first_ns")
    )


class Sampler:
    """Samples this process until it ends. Made in the main thread."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._samples: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._totals: dict[str, float] = {}

    def start(self) -> None:
        """From now on ``file`` holds the samples of each thread by line and, under ``TOTAL``, what
        it spent, in µs, as JSON."""
        signal.signal(signal.SIGPROF, self._interrupted)
        _interrupt_every(MAIN_S)
        threading.Thread(target=self._run, name=OWN, daemon=True).start()

    def stop(self) -> None:
        """Before the interpreter ends: it forgets who handles the signal, and would die of it."""
        signal.signal(signal.SIGPROF, signal.SIG_IGN)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        self._samples[_name(threading.main_thread())][line_of(_stack(frame))] += 1

    def _run(self) -> None:
        kept_s = 0.0
        while True:
            time.sleep(LOOK_S)
            self._look()
            if time.monotonic() - kept_s > KEEP_S:
                kept_s = time.monotonic()
                self._keep()

    def _look(self) -> None:
        frames = sys._current_frames()
        stood: list[tuple[str, int, float, str]] = []
        main = threading.main_thread()
        for thread in threading.enumerate():
            frame, native = frames.get(thread.ident or 0), thread.native_id
            if frame is None or native is None or thread.name == OWN:
                continue
            line = "" if thread is main else line_of(_stack(frame))
            stood.append((_name(thread), native, _cpu_us(native), line))
        del frames
        time.sleep(MOMENT_S)
        for name, native, before_us, line in stood:
            now_us = _cpu_us(native)
            if line and now_us > before_us:
                self._samples[name][line] += now_us - before_us  # type: ignore[assignment]
            self._totals[name] = now_us or before_us

    def _keep(self) -> None:
        table = {name: {**self._samples[name], TOTAL: us} for name, us in self._totals.items()}
        draft = self._file.with_suffix(".draft")
        draft.write_text(json.dumps(table))
        draft.replace(self._file)


def _interrupt_every(seconds: float) -> None:
    """SIGPROF whenever the calling thread has spent so much CPU. Python's own timers count what all
    threads spend, and would find this one where it waits while another works."""
    libc = ctypes.CDLL(None, use_errno=True)
    timer = ctypes.c_void_p()
    event = _Event(signal=signal.SIGPROF)
    ns = int(seconds * 1e9)
    times = _Times(every_ns=ns, first_ns=ns)
    clock = ctypes.c_int(_clock(threading.get_native_id()))
    if libc.timer_create(clock, ctypes.byref(event), ctypes.byref(timer)) or libc.timer_settime(
        timer, 0, ctypes.byref(times), None
    ):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _clock(native: int) -> int:
    """The CPU clock of a thread by its number in the system; see clock_getcpuclockid(3)."""
    return (~native << 3) | 6


def _cpu_us(native: int) -> float:
    """What a thread spent; 0 when it has ended."""
    try:
        return time.clock_gettime(_clock(native)) * 1e6
    except OSError:
        return 0.0


def _name(thread: threading.Thread) -> str:
    return f"{thread.name} {thread.native_id}"


def _stack(frame: FrameType | None) -> Iterator[Frame]:
    """Innermost first."""
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        function = frame.f_code.co_qualname
        table = ""
        if function == _FUNCTION and module == _MODULE:
            table = str(frame.f_locals.get("into", "")).partition(" ")[0]
        yield module, function, table
        frame = frame.f_back

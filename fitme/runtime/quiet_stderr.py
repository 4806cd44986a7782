"""Keep the start-up chatter of native libraries off the user's terminal.

MediaPipe's C++ (absl logging, TensorFlow Lite) writes a few informational lines straight to file
descriptor 2, past Python, whatever GLOG_minloglevel, TF_CPP_MIN_LOG_LEVEL or absl's own settings
say. While a block runs, descriptor 2 is a pipe: a thread passes on at once what arrives, and drops
only the lines known here, word for word. Set FITME_NATIVE_LOG=1 to see those too.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Seen with mediapipe 0.10.21 on Linux, without and with a GPU.
_ABSL = rb"[IW]\d{4} [\d:.]+ +\d+ "
_CHATTER = re.compile(
    rb"(?:INFO: Created TensorFlow Lite XNNPACK delegate for CPU\."
    rb"|WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR"
    rb"|" + _ABSL + rb"inference_feedback_manager\.cc:\d+\] Feedback manager requires a model with"
    rb" a single signature inference\. Disabling support for feedback tensors\."
    rb"|" + _ABSL + rb"landmark_projection_calculator\.cc:\d+\] Using NORM_RECT without"
    rb" IMAGE_DIMENSIONS is only supported for the square ROI\. Provide IMAGE_DIMENSIONS or use"
    rb" PROJECTION_MATRIX\."
    rb"|" + _ABSL + rb"gl_context_egl\.cc:\d+\] Successfully initialized EGL\.[^\n]*"
    rb"|" + _ABSL + rb"gl_context\.cc:\d+\] GL version: [^\n]*"
    rb")\r?\n"
)
# An unfinished line that may become one of them: TensorFlow Lite writes its line in pieces.
_BEGINNINGS = (b"INFO: Created TensorFlow", b"WARNING: All log messages before absl::")
_ABSL_BEGINNING = re.compile(rb"[IW](?:\d{0,4}|\d{4} [^\n]*)\Z")
_PATIENCE = 0.1  # seconds that such a beginning is held back

_lock = threading.Lock()
_users = 0
_filter: _Filter | None = None


@contextmanager
def quiet_native_stderr() -> Iterator[None]:
    """Drop known chatter from descriptor 2 while the block runs.

    Blocks nest and overlap between threads. What other threads, native code and child processes
    write to descriptor 2 meanwhile comes out at once and nothing of it is lost. Only lines written
    in the moment in which the last block ends may change places.
    """
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _users, _filter
    with _lock:
        _users += 1
        if _users == 1 and not os.environ.get("FITME_NATIVE_LOG"):
            with contextlib.suppress(OSError):  # no stderr at all (pythonw, closed)
                _filter = _Filter()


def _leave() -> None:
    global _users, _filter
    with _lock:
        _users -= 1
        if _users == 0 and _filter is not None:
            _filter.close()
            _filter = None


class _Filter:
    """Descriptor 2 as a pipe, and the thread that empties it."""

    def __init__(self) -> None:
        _flush()
        self._saved = os.dup(2)
        source, sink = os.pipe()
        with contextlib.suppress(ImportError, AttributeError, OSError):
            import fcntl  # room for a library that writes much while it keeps Python waiting

            fcntl.fcntl(sink, fcntl.F_SETPIPE_SZ, 1 << 20)
        self._end = b"\0fitme end of filter " + os.urandom(8).hex().encode() + b"\0"
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=self._pass_on, args=(source,), name="fitme-stderr", daemon=True
        )
        self._thread.start()
        os.dup2(sink, 2)
        os.close(sink)

    def close(self) -> None:
        """Descriptor 2 as it was; returns when all that was written before has been passed on.

        A child process that was started meanwhile may keep the pipe: then the thread goes on
        passing on what it writes, until it ends.
        """
        _flush()
        sink = os.dup(2)
        os.dup2(self._saved, 2)
        with contextlib.suppress(OSError):
            os.write(sink, self._end)
        os.close(sink)
        self._ended.wait()

    def _pass_on(self, source: int) -> None:
        held = b""
        try:
            while True:
                if held and not select.select([source], [], [], _PATIENCE)[0]:
                    _write(self._saved, held)
                    held = b""
                data = os.read(source, 1 << 16)
                if not data:
                    break
                held += data
                ending = not self._ended.is_set() and self._end in held
                if ending:
                    held = held.replace(self._end, b"")
                ready, held = _split(held)
                if ending:
                    ready, held = ready + held, b""
                _write(self._saved, ready)
                if ending:
                    self._ended.set()
            _write(self._saved, held)
        finally:
            self._ended.set()
            os.close(source)
            os.close(self._saved)


def _split(data: bytes) -> tuple[bytes, bytes]:
    """What can be passed on without the chatter, and the unfinished line that may become some."""
    data = _CHATTER.sub(b"", data)
    line = data[data.rfind(b"\n") + 1 :]
    starts = (line.startswith(word) or word.startswith(line) for word in _BEGINNINGS)
    if line and (any(starts) or _ABSL_BEGINNING.match(line)):
        return data[: len(data) - len(line)], line
    return data, b""


def _write(descriptor: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except OSError:  # the terminal is gone
            return


def _flush() -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()

"""Keep the start-up chatter of native libraries off the user's terminal.

MediaPipe's C++ (absl logging, TensorFlow Lite) writes informational lines straight to file
descriptor 2, past Python, and offers no switch that silences them all. Here descriptor 2 is
collected in a temporary file for a moment; when the block ends, known chatter is dropped and
every other line is passed on, also when the block raises. (Only a native abort inside the
block would lose its last words; set FITME_NATIVE_LOG=1 to see everything live.)
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_CHATTER = re.compile(
    rb"[IW]\d{4} \d\d:\d\d:\d\d"  # absl: I0000 00:00:..., W0000 00:00:...; never E or F
    rb"|[IW]\d{4} \d\d:\d\d:\d+\.\d+"
    rb"|INFO: "  # TensorFlow Lite: Created TensorFlow Lite XNNPACK delegate ...
    rb"|WARNING: All log messages before absl::InitializeLog"
    rb"|WARNING: Logging before InitGoogleLogging"
)
_lock = threading.RLock()
_depth = 0


@contextmanager
def quiet_native_stderr() -> Iterator[None]:
    """Drop known chatter from descriptor 2 while the block runs. Nests; one thread at a time."""
    global _depth
    with _lock:
        if _depth or os.environ.get("FITME_NATIVE_LOG"):
            yield
            return
        try:
            sys.stderr.flush()
            saved = os.dup(2)
        except (OSError, ValueError, AttributeError):  # no stderr at all (pythonw, closed)
            yield
            return
        _depth += 1
        with tempfile.TemporaryFile() as collected:
            os.dup2(collected.fileno(), 2)
            try:
                yield
            finally:
                sys.stderr.flush()
                os.dup2(saved, 2)
                os.close(saved)
                _depth -= 1
                collected.seek(0)
                kept = [line for line in collected if not _CHATTER.match(line)]
                if kept:
                    os.write(2, b"".join(kept))

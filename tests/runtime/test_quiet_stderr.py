"""What the filter drops, and that nothing else is lost or late. Each in a process of its own:
descriptor 2 is the process's."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

CHATTER = (
    "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
    "W0000 00:00:1795656518.918201   15671 inference_feedback_manager.cc:114] Feedback manager"
    " requires a model with a single signature inference. Disabling support for feedback"
    " tensors.\n"
    "W0000 00:00:1795656519.463738   15674 landmark_projection_calculator.cc:186] Using NORM_RECT"
    " without IMAGE_DIMENSIONS is only supported for the square ROI. Provide IMAGE_DIMENSIONS or"
    " use PROJECTION_MATRIX.\n"
)
HEAD = (
    "import os, sys, threading, time\nfrom fitme.runtime.quiet_stderr import quiet_native_stderr\n"
)


def stderr_of(body: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", HEAD + textwrap.dedent(body)],
        capture_output=True,
        env={**os.environ, "CHATTER": CHATTER, **variables},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stderr.decode()


def test_known_lines_are_dropped_and_every_other_line_is_kept() -> None:
    body = """
        other = "INFO: mine\\nINFO: Created something\\n"
        other += "W0000 00:00:1.2 3 x.cc:1] mine\\nE0000 real\\n"
        with quiet_native_stderr():
            os.write(2, (os.environ["CHATTER"] + other + os.environ["CHATTER"]).encode())
            print("from python", file=sys.stderr)
        os.write(2, b"INFO: after\\n")
    """
    assert stderr_of(body) == (
        "INFO: mine\nINFO: Created something\nW0000 00:00:1.2 3 x.cc:1] mine\nE0000 real\n"
        "from python\nINFO: after\n"
    )


def test_a_known_line_in_pieces_is_dropped_and_beginnings_of_others_are_kept() -> None:
    body = """
        with quiet_native_stderr():
            for piece in (b"INFO: ", b"Created TensorFlow Lite XNNPACK delegate for CPU.", b"\\n"):
                os.write(2, piece)
                time.sleep(0.01)
            os.write(2, b"INFO: ")
            time.sleep(0.3)
            os.write(2, b"mine\\nW")
    """
    assert stderr_of(body) == "INFO: mine\nW"


def test_threads_lose_no_line() -> None:
    body = """
        def native(name):
            for i in range(500):
                os.write(2, f"INFO: {name} {i}\\n".encode())

        def python(name):
            for i in range(500):
                sys.stderr.write(f"INFO: {name} {i}\\n")

        threads = [threading.Thread(target=native, args=("native",)),
                   threading.Thread(target=python, args=("python",))]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            with quiet_native_stderr():
                os.write(2, os.environ["CHATTER"].encode())
                time.sleep(0.002)
        for thread in threads:
            thread.join()
    """
    lines = stderr_of(body).splitlines()
    # As a set: what is written while a block ends may change places with what comes after.
    wanted = [f"INFO: {name} {i}" for name in ("native", "python") for i in range(500)]
    assert sorted(lines) == sorted(wanted)


def test_overlapping_blocks_of_threads() -> None:
    body = """
        first_in, second_in, first_out = (threading.Event() for _ in range(3))

        def second():
            first_in.wait()
            with quiet_native_stderr():
                second_in.set()
                first_out.wait()
                os.write(2, os.environ["CHATTER"].encode() + b"second\\n")

        thread = threading.Thread(target=second)
        thread.start()
        with quiet_native_stderr():
            first_in.set()
            assert second_in.wait(10), "a block waits for that of another thread"
        first_out.set()
        thread.join()
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\\n")
    """
    assert stderr_of(body) == "second\nINFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"


def test_lines_come_while_the_block_still_runs() -> None:
    body = """
        with quiet_native_stderr():
            os.write(2, b"INFO: of another thread\\n")
            sys.stdin.readline()
    """
    child = subprocess.Popen(
        [sys.executable, "-c", HEAD + textwrap.dedent(body)],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdin is not None and child.stderr is not None
    assert child.stderr.readline() == b"INFO: of another thread\n"
    child.communicate(b"\n", timeout=30)
    assert child.returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="sh")
def test_a_child_that_outlives_the_block_keeps_its_stderr() -> None:
    body = """
        import subprocess
        with quiet_native_stderr():
            child = subprocess.Popen(["sh", "-c", "sleep 0.3; echo late >&2"])
        assert child.wait() == 0
        time.sleep(0.3)
    """
    assert stderr_of(body) == "late\n"


def test_an_exception_leaves_descriptor_2_as_it_was() -> None:
    body = """
        before = os.fstat(2)
        open_before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
        for _ in range(20):
            try:
                with quiet_native_stderr():
                    os.write(2, b"said\\n")
                    raise KeyError
            except KeyError:
                pass
        assert os.fstat(2).st_ino == before.st_ino
        time.sleep(0.2)
        assert not open_before or len(os.listdir("/proc/self/fd")) == open_before
    """
    assert stderr_of(body) == "said\n" * 20


def test_closed_stderr() -> None:
    assert stderr_of("os.close(2)\nwith quiet_native_stderr():\n    pass") == ""


def test_everything_shows_on_demand() -> None:
    body = 'with quiet_native_stderr():\n    os.write(2, os.environ["CHATTER"].encode())'
    assert stderr_of(body, FITME_NATIVE_LOG="1") == CHATTER

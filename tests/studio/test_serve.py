"""The program itself: its address, one per folder, and its end by Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from fitme.runtime.errors import InputError, OutputError
from fitme.studio.serve import serve
from tests.studio.fake_fitter import FakeFitter

PROGRAM = """
import sys
from pathlib import Path
from fitme.studio.serve import serve
from tests.studio.fake_fitter import FakeFitter
if __name__ == "__main__":
    tell = lambda address: print(address, flush=True)
    serve(Path(sys.argv[1]), FakeFitter(), browser=False, tell=tell)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
def test_it_serves_alone_and_ends_cleanly(tmp_path: Path) -> None:
    root = tmp_path / "root"
    left = root / "_studio" / "photos" / "killed"
    left.mkdir(parents=True)
    (tmp_path / "program.py").write_text(PROGRAM)
    program = subprocess.Popen(
        [sys.executable, str(tmp_path / "program.py"), str(root)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )  # fmt: skip
    try:
        assert program.stdout is not None
        address = program.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:") and len(address.split("/")[3]) >= 20
        assert not left.exists()
        with urllib.request.urlopen(f"{address}events") as events:
            assert events.readline().startswith(b'data: {"jobs": []')
            with pytest.raises(OutputError, match="in use by another studio"):
                serve(root, FakeFitter(), browser=False)
            port = int(address.split(":")[2].split("/")[0])
            with pytest.raises(InputError, match=f"--port {port} cannot be had"):
                serve(tmp_path / "other", FakeFitter(), port=port, browser=False)
            program.send_signal(signal.SIGINT)  # the page is open still
            _, errors = program.communicate(timeout=60)
        assert program.returncode == 0 and errors == ""
    finally:
        program.kill()


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="give another --out"):
        serve(tmp_path / "file", FakeFitter(), browser=False)

"""The Ray executor on a local cluster of two nodes, one of whose workers dies in the middle."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from threading import Thread

import pytest

from fitme.batch import run_batch
from fitme.runtime.errors import InputError
from tests.batch.fake_fits import fake_fit, notes

# Under `uv run` Ray would send the repository to its nodes and have uv make an environment there.
os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
ray = pytest.importorskip("ray", reason='needs pip install "fitme[ray]"')
REPOSITORY = str(Path(__file__).parents[2])


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = REPOSITORY  # the nodes' workers import fake_fits
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


def test_two_nodes_and_a_killed_worker(cluster, people, tmp_path: Path) -> None:
    texts = {f"s{i}": "slow 0.3" for i in range(4)}
    folder = people(**texts, murderer="kill", bad="refuse", long="slow 4")
    root = tmp_path / "out"

    def kill_the_worker_of_long() -> None:
        while "long" not in notes(folder, "starts.txt"):
            time.sleep(0.05)
        (staging,) = (root / "_batch" / "work").glob(".long.*")
        os.kill(int(staging.name.split("-")[-2]), signal.SIGKILL)

    killer = Thread(target=kill_the_worker_of_long)
    killer.start()
    options = {"executor": "ray", "address": cluster.address, "fit": fake_fit}
    summary = run_batch(folder, root, **options)
    killer.join()
    results = {result.name: result for result in summary.results}
    failed = {name for name, result in results.items() if result.status != "done"}
    assert failed == {"murderer", "bad"}, results
    assert "Ray lost its worker" in results["murderer"].reason
    ends = notes(folder, "ends.txt")
    assert sorted(ends) == sorted(set(results) - failed)  # nothing lost, nothing done twice
    assert notes(folder, "starts.txt").count("long") == 2
    again = run_batch(folder, root, **options)
    assert all(result.earlier for result in again.results)
    assert notes(folder, "ends.txt") == ends


def test_no_cluster_there(people, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--address 127\.0\.0\.1:1: no Ray cluster"):
        run_batch(
            people(a="ok"), tmp_path / "out", executor="ray", address="127.0.0.1:1", fit=fake_fit
        )

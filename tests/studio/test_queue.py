"""One fit at a time: waiting, cancelling, refusals, crashes, and the worker that is kept."""

from __future__ import annotations

import json
from pathlib import Path

from fitme.studio.line import MOST_WAITING
from tests.studio.running import running, send, statuses, wait_for


def test_fits_are_done_in_turn_by_one_process(tmp_path: Path) -> None:
    with running(tmp_path / "r") as (studio, client):
        for _ in range(3):
            assert send(client, "ok.png").status_code == 201
        jobs = wait_for(studio, lambda jobs: all(job["status"] == "done" for job in jobs))
        assert [job["head"] for job in jobs] == ["ok", "ok_2", "ok_3"]
        assert jobs[0]["notes"] == ["ok.png: noted"]  # not where it lies
        assert {stage["state"] for stage in jobs[0]["stages"]} == {"done"}
        assert client.get(f"fits/{jobs[0]['number']}/picture.jpg").content[:2] == b"\xff\xd8"
        folders = [tmp_path / "r" / job["head"] for job in jobs]
        assert len({json.loads((f / "fit.json").read_text())["pid"] for f in folders}) == 1


def test_waiting_and_cancelling(tmp_path: Path) -> None:
    with running(tmp_path) as (studio, client):
        for name in ("slow.png", "ok.png", "ok.png", "ok.png"):
            send(client, name)
        jobs = wait_for(studio, lambda jobs: jobs[0]["picture"] > 0)
        assert [job["place"] for job in jobs] == [0, 1, 2, 3]
        assert [s["label"] for s in jobs[0]["stages"] if s["state"] == "now"] == ["Light"]
        assert client.post("fits/3/cancel").status_code == 200
        assert [job["place"] for job in studio.line.state()] == [0, 1, 0, 2]
        assert client.post("fits/1/cancel").status_code == 200
        wait_for(studio, lambda jobs: jobs[3]["status"] == "done")
        assert statuses(studio) == ["cancelled", "done", "cancelled", "done"]
        assert client.post("fits/1/cancel").status_code == 404
        kept = sorted(path.name for path in tmp_path.iterdir())
        assert kept == ["_studio", "ok", "ok_3"]  # nothing half made
        assert sorted(p.name for p in (tmp_path / "_studio/photos").iterdir()) == ["ok", "ok_3"]


def test_what_goes_wrong_is_a_line(tmp_path: Path) -> None:
    with running(tmp_path) as (studio, client):
        for name in ("refuse.png", "break.png", "kill.png", "ok.png"):
            send(client, name)
        jobs = wait_for(studio, lambda jobs: jobs[3]["status"] == "done")
        assert statuses(studio) == ["failed"] * 3 + ["done"]
        assert jobs[0]["error"] == "refuse.png: no face in <b>this</b>; give another"
        assert "RuntimeError: the fit is broken" in jobs[1]["error"]
        assert "SIGKILL" in jobs[2]["error"] and "\n" not in jobs[2]["error"]
        assert client.post("fits/1/forget").status_code == 200
        assert [job["number"] for job in studio.line.state()] == [2, 3, 4]


def test_the_queue_has_an_end(tmp_path: Path) -> None:
    with running(tmp_path) as (studio, client):
        send(client, "slow.png")
        wait_for(studio, lambda jobs: jobs[0]["status"] == "running")
        answers = [send(client, "ok.png").status_code for _ in range(MOST_WAITING + 1)]
        assert answers == [201] * MOST_WAITING + [400]
        assert len(list((tmp_path / "_studio/photos").iterdir())) == MOST_WAITING + 1

"""What `fitme fit` writes: the output contract of the design, on the example photo."""

from __future__ import annotations

import io
import itertools
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fitme.fit.api import fit_photos
from fitme.fit.pipeline import FitSummary
from fitme.fit.settings import PRESETS, override
from fitme.head.model import ARKIT_NAMES
from fitme.render.light import Light
from fitme.runtime.errors import InputError, OutputError
from fitme.runtime.files import atomic_directory, check_output_dir
from fitme.runtime.progress import Picture, SilentProgress
from tests.export.external import validate
from tests.export.glb_reader import Glb
from tests.fit.settings import QUICK

SIZE = 128
# A real fit with every stage; the default one is what CI ends with.
FITTED = override(
    PRESETS["fast"], {"tune.steps": 3, "tune.pixels": 160, "tune.texels": 128}
)  # fmt: skip
TEXTURES = ("diffuse_albedo.png", "specular_albedo.png", "normal.png")


@pytest.fixture(scope="module")
def fitted(astronaut: Path, tmp_path_factory: pytest.TempPathFactory) -> FitSummary:
    out = tmp_path_factory.mktemp("fit") / "astronaut"
    return fit_photos([astronaut], out, size=SIZE, preset=FITTED)


@pytest.fixture(scope="module")
def report(fitted: FitSummary) -> dict[str, Any]:
    def refuse(word: str) -> None:
        raise AssertionError(f"fit.json holds {word}")

    return json.loads((fitted.out / "fit.json").read_text(), parse_constant=refuse)


@pytest.fixture(scope="module")
def glb(fitted: FitSummary) -> Glb:
    return Glb((fitted.out / "avatar.glb").read_bytes())


class TestFiles:
    def test_everything_is_there_and_may_be_overwritten(self, fitted: FitSummary) -> None:
        files = {p.relative_to(fitted.out).as_posix() for p in fitted.out.rglob("*") if p.is_file()}
        assert files >= {"avatar.glb", "fit.json", "render_00.png"}
        assert files >= {f"textures/{name}" for name in TEXTURES}
        assert [p.name for p in fitted.out.parent.iterdir()] == ["astronaut"]
        check_output_dir(fitted.out, overwrite=True)  # knows every file as ours
        with pytest.raises(OutputError, match="--overwrite"):
            check_output_dir(fitted.out)

    @pytest.mark.parametrize("name", TEXTURES)
    def test_textures(self, fitted: FitSummary, name: str) -> None:
        with Image.open(fitted.out / "textures" / name) as image:
            assert image.format == "PNG" and image.size == (SIZE, SIZE)
            pixels = np.asarray(image.convert("RGB")) / 255
        if name == "normal.png":
            length = np.linalg.norm(2 * pixels - 1, axis=-1)
            assert np.abs(length - 1).max() < 0.03 and pixels[..., 2].min() > 0.5
        else:
            assert np.median(pixels) > 0.1 and pixels.max() < 1

    def test_render_is_rgba_of_the_photos_size(self, fitted: FitSummary, report: dict) -> None:
        with Image.open(fitted.out / "render_00.png") as image:
            assert image.mode == "RGBA" and image.size == (512, 512)
            alpha = np.asarray(image)[..., 3]
        posed = posed_avatar(fitted)
        x, y = np.floor(project(report["photos"][0], posed)).astype(int).T
        inside = (x >= 0) & (x < 512) & (y >= 0) & (y < 512)
        assert inside.mean() > 0.5
        assert (alpha[y[inside], x[inside]] > 0).mean() > 0.99  # but some on the outline
        assert 0.02 < (alpha > 0).mean() < 0.5 and alpha.max() == 255


class TestJson:
    def test_head_of_the_file(self, report: dict, fitted: FitSummary) -> None:
        assert report.keys() >= {"fitme", "versions", "preset", "timings_s", "photos"}
        assert "seed" not in report and report["device"] in ("cpu", "cuda")
        assert report["versions"]["torch"] == torch.__version__
        assert len(report["identity"]) == fitted.avatar.identity.shape[1]
        times = report["timings_s"]
        assert min(times.values()) >= 0
        assert times["total"] >= times["align"] + times["invert"]

    def test_photo(self, report: dict, astronaut: Path) -> None:
        (photo,) = report["photos"]
        assert photo["path"] == astronaut.name  # not where it lay
        assert (photo["width"], photo["height"]) == (512, 512)
        assert tuple(photo["expression"]) == ARKIT_NAMES
        assert all(0 <= weight <= 1 for weight in photo["expression"].values())
        assert photo["losses"].keys() >= {
            "invert/photometric",
            "invert/landmark",
            "tune/photometric",
        }
        assert photo["landmark_error"] < 0.02
        assert Light.from_dict(photo["light"]).total().min() > 0

    def test_camera_is_rigid_and_looks_at_the_face(self, report: dict) -> None:
        (photo,) = report["photos"]
        K, pose = np.array(photo["K"]), np.array(photo["world_to_camera"])
        assert K[0, 0] == K[1, 1] > 100 and K[:2, 2].tolist() == [256, 256]
        np.testing.assert_array_equal(K[[0, 1, 2, 2, 2], [1, 0, 0, 1, 2]], [0, 0, 0, 0, 1])
        np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-5)
        assert np.linalg.det(pose[:3, :3]) == pytest.approx(1, abs=1e-5)
        assert pose[3].tolist() == [0, 0, 0, 1]
        angles = photo["head_pose"]  # she nearly faces the camera
        assert abs(angles["yaw_deg"]) < 45 and abs(angles["pitch_deg"]) < 30
        assert abs(angles["roll_deg"]) < 25 and 0.3 < angles["distance_m"] < 4


class TestGlb:
    def test_khronos_validator(self, fitted: FitSummary) -> None:
        issues = validate(fitted.out / "avatar.glb")["issues"]
        assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues

    def test_meshes_and_targets(self, glb: Glb) -> None:
        nodes = {node["name"]: node for node in glb.json["nodes"]}
        assert nodes.keys() >= {"head", "eye_L", "eye_R"}
        head = glb.json["meshes"][nodes["head"]["mesh"]]
        assert head["name"] == "head"
        assert tuple(head["extras"]["targetNames"]) == ARKIT_NAMES
        assert len(head["primitives"][0]["targets"]) == 52 and not any(head["weights"])
        for node in nodes.values():
            assert not {"rotation", "scale", "matrix"} & node.keys()
            assert "translation" not in node or node["name"].startswith("eye_")

    def test_head_material_uses_the_written_albedo(self, glb: Glb, fitted: FitSummary) -> None:
        names = [mesh["name"] for mesh in glb.json["meshes"]]
        material = glb.json["materials"][glb.primitive(names.index("head"))["material"]]
        texture = material["pbrMetallicRoughness"]["baseColorTexture"]["index"]
        image = glb.json["images"][glb.json["textures"][texture]["source"]]
        written = (fitted.out / "textures" / "diffuse_albedo.png").read_bytes()
        shown, plain = (
            np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
            for data in (glb.view(image["bufferView"]), written)
        )
        # Under hair the scalp has the colour of its roots; the face is what is written.
        middle = slice(len(plain) // 3, 2 * len(plain) // 3)
        assert (shown[middle, middle] == plain[middle, middle]).all()
        assert material["pbrMetallicRoughness"]["metallicFactor"] == 0
        assert "KHR_materials_specular" in material["extensions"]

    def test_metres_y_up_and_the_face_along_z(self, glb: Glb) -> None:
        parts = rest_parts(glb)
        size = np.ptp(parts["head"], axis=0)
        assert 0.12 < size[0] < 0.25 and 0.2 < size[1] < 0.4
        nose = parts["head"][parts["head"][:, 2].argmax()]
        chin_to_crown = parts["head"][:, 1].min(), parts["head"][:, 1].max()
        assert abs(nose[0]) < 0.01 and chin_to_crown[0] < nose[1] < chin_to_crown[1]
        left, right = parts["eye_L"].mean(0), parts["eye_R"].mean(0)
        assert 0.025 < left[0] < 0.04 and -0.04 < right[0] < -0.025  # +X is her left
        assert left[1] > nose[1] + 0.02 and nose[2] > left[2] + 0.02

    @pytest.mark.parametrize("name", ["eye_L", "eye_R"])
    def test_eyes_turn_about_their_own_centre(self, glb: Glb, name: str) -> None:
        nodes = {node["name"]: node for node in glb.json["nodes"]}
        local = glb.attribute("POSITION", nodes[name]["mesh"])
        radius = np.linalg.norm(local, axis=1)
        assert radius.min() > 0.011 and np.ptp(radius) < 0.004
        assert local[local[:, 2].argmax(), :2] == pytest.approx([0, 0], abs=1e-3)  # cornea ahead

    def test_posed_by_fit_json_it_lands_on_the_photo(
        self, glb: Glb, report: dict, fitted: FitSummary
    ) -> None:
        (photo,) = report["photos"]
        wanted, head = posed_avatar(fitted), fitted.avatar.head
        parts = pose_parts(glb, photo)
        assert parts.keys() - {"hair", "beard", "lashes"} == set(head.part_names)
        for name in head.part_names:
            points = parts[name]
            index = head.part_vertices(name).numpy()
            miss = project(photo, points[: len(index)]) - project(photo, wanted[index])
            assert np.linalg.norm(miss, axis=1).max() < 0.1, name  # pixels


CHILD = """
import sys
from pathlib import Path
from types import SimpleNamespace
from fitme.fit.api import fit_photos
from fitme.fit.settings import FitSettings, override
from fitme.runtime.progress import SilentProgress

class Loud(SilentProgress):
    def stage(self, name, steps=None):
        print(name, flush=True)
        return super().stage(name, steps)

photo, out, points = map(Path, sys.argv[1:])
changes = {"light.steps": 1, "invert.steps": 2, "tune.steps": 1, "hair": "crop"}
preset = override(FitSettings(), changes)
fit_photos([photo], out, landmarks=points, progress=Loud(), preset=preset)
"""


class Watching(SilentProgress):
    """Draws the fit between all stages and at every step; keeps the pictures' shapes and means."""

    def __init__(self) -> None:
        self.seen: list[tuple[tuple[int, ...], float]] = []
        self.picture: Picture | None = None

    def watch(self, picture: Picture) -> None:
        self.picture = picture

    @contextmanager
    def stage(self, name: str, steps: int | None = None) -> Iterator[Any]:
        self.draw()
        yield SimpleNamespace(step=lambda **_: self.draw())

    def draw(self) -> None:
        if self.picture is not None:
            drawn = self.picture()
            self.seen.append((drawn.shape, float(drawn.mean())))


class TestRuns:
    def test_same_photos_same_bytes(
        self, astronaut: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        contents, watching = [], Watching()
        for name, progress in (("first", None), ("watched", watching)):
            # Every stage takes a second, so that files with times in them are the same, too.
            clock = SimpleNamespace(perf_counter=itertools.count().__next__)
            monkeypatch.setattr("fitme.fit.log.time", clock)
            fit_photos([astronaut], tmp_path / name, size=64, preset=QUICK, progress=progress)
            files = sorted(p for p in (tmp_path / name).rglob("*") if p.is_file())
            content = {p.relative_to(tmp_path / name).as_posix(): p.read_bytes() for p in files}
            parsed = json.loads(content["fit.json"])
            assert parsed["timings_s"] and "seed" not in parsed
            contents.append(content)
        assert {shape for shape, _ in watching.seen} == {(384, 384, 3)}
        assert len({mean for _, mean in watching.seen}) > 3  # the head forms
        one, two = contents
        assert [n for n in one if one[n] != two.get(n)] == [] and one.keys() == two.keys()

    def test_killed_in_the_middle(
        self, fitted: FitSummary, astronaut: Path, tmp_path: Path
    ) -> None:
        head, out = fitted.avatar.head, tmp_path / "out"
        points = head.landmarks(torch.from_numpy(posed_avatar(fitted))[None])
        points = fitted.avatar.photos[0].view.camera().project(points)[0]
        (tmp_path / "points.json").write_text(json.dumps(points.tolist()))
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(astronaut), str(out), str(tmp_path / "points.json")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        stages = []
        for line in child.stdout:
            stages.append(line.strip())
            if stages[-1] == "light":  # nothing is written before all is known
                assert [p.name for p in tmp_path.iterdir()] == ["points.json"]
            if stages[-1] == "write":
                child.kill()
        assert child.wait(timeout=60) == -signal.SIGKILL, child.stderr.read()
        assert stages == ["align", "light", "invert", "tune", "hair", "write"]
        # A hidden sibling may stay; the next run into the same folder removes it.
        left = {p.name for p in tmp_path.iterdir()} - {"points.json"}
        assert len(left) == 1 and left.pop().startswith(".out.fitme-")
        with atomic_directory(out) as folder:
            (folder / "fit.json").touch()
        assert {p.name for p in tmp_path.iterdir()} == {"out", "points.json"}

    def test_two_photos_of_one_person(self, astronaut: Path, tmp_path: Path) -> None:
        with Image.open(astronaut) as image:
            image.crop((60, 0, 420, 360)).convert("L").save(tmp_path / "closer.png")
        summary = fit_photos(
            [astronaut, tmp_path / "closer.png"], tmp_path / "out", size=64, preset=QUICK
        )
        data = json.loads((tmp_path / "out" / "fit.json").read_text())
        assert [photo["width"] for photo in data["photos"]] == [512, 360]
        assert max(photo["landmark_error"] for photo in data["photos"]) < 0.035
        assert summary.avatar.identity.shape[0] == 1
        gray = [note["photo"] for note in data["notes"] if note["kind"] == "gray"]
        assert gray == [1] and data["notes"] == list(summary.avatar.run.notes)
        for index, size in enumerate((512, 360)):
            with Image.open(tmp_path / "out" / f"render_{index:02d}.png") as image:
                assert image.size == (size, size)

    def test_a_photo_without_a_face_is_refused_or_left_out(
        self, astronaut: Path, tmp_path: Path
    ) -> None:
        Image.new("RGB", (300, 300), (90, 120, 80)).save(tmp_path / "lawn.png")
        photos = [astronaut, tmp_path / "lawn.png"]
        with pytest.raises(InputError, match=r"lawn\.png"):
            fit_photos(photos, tmp_path / "out", preset=QUICK)
        assert not (tmp_path / "out").exists()
        notes: list[str] = []

        class Noting(SilentProgress):
            def note(self, text: str) -> None:
                notes.append(text)

        summary = fit_photos(
            photos, tmp_path / "out", size=64, preset=QUICK, skip_bad=True, progress=Noting()
        )
        assert len(summary.avatar.photos) == 1 and "lawn.png" in "".join(notes)


def posed_avatar(fitted: FitSummary) -> np.ndarray:
    """Vertices [V, 3] of the avatar as its photo saw it."""
    return fitted.avatar.posed()[0].numpy()


def rest_parts(glb: Glb) -> dict[str, np.ndarray]:
    """Vertices of every mesh where its node puts them."""
    return {
        node["name"]: glb.attribute("POSITION", node["mesh"]) + node.get("translation", [0, 0, 0])
        for node in glb.json["nodes"]
        if "mesh" in node
    }


def pose_parts(glb: Glb, photo: dict) -> dict[str, np.ndarray]:
    """The GLB posed as an engine would: morph weights, and the eyes' nodes turned."""
    parts = rest_parts(glb)
    for node in glb.json["nodes"]:
        if "mesh" not in node:
            continue
        mesh, name = glb.json["meshes"][node["mesh"]], node["name"]
        points = glb.attribute("POSITION", node["mesh"]).astype(float)
        if name.startswith("eye_"):  # the eyeLook shapes of an eyeball stand in for this turn
            side = "left" if name == "eye_L" else "right"
            points = points @ np.array(photo["eye_pose"][side]["rotation"]).T
        else:
            names = mesh.get("extras", {}).get("targetNames", [])
            for key, target in zip(names, mesh["primitives"][0].get("targets", []), strict=True):
                points += photo["expression"][key] * glb.accessor(target["POSITION"])
        parts[name] = points + node.get("translation", [0, 0, 0])
    return parts


def project(photo: dict, points: np.ndarray) -> np.ndarray:
    """Pixels [N, 2] of world points [N, 3] by a photo's K and world_to_camera."""
    pose = np.array(photo["world_to_camera"])
    image = (points @ pose[:3, :3].T + pose[:3, 3]) @ np.array(photo["K"]).T
    return image[:, :2] / image[:, 2:]

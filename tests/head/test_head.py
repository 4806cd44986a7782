from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from fitme.head.model import ARKIT_NAMES, HeadModel, gaze_rotation, load_head, save_head
from fitme.landmarks.face import LANDMARK_MIRROR
from fitme.models import weight_path
from fitme.render.backends.cpu.backend import CpuBackend
from fitme.runtime.errors import InputError, OutputError
from tests.tiny_head import tiny_head

MIRROR = torch.tensor([-1.0, 1.0, 1.0])


def random_coefficients(model: HeadModel, batch: int = 2, seed: int = 0):
    """Identity [B, K] and expression [B, E]."""
    draw = torch.Generator().manual_seed(seed)
    identity = torch.randn(batch, len(model.identity), generator=draw)
    return identity, torch.rand(batch, len(model.expression), generator=draw)


@pytest.fixture(scope="module")
def tiny() -> HeadModel:
    return tiny_head()


class TestShape:
    def test_zero_is_the_mean(self, tiny) -> None:
        torch.testing.assert_close(tiny.shape(torch.zeros(3, 2))[1], tiny.mean)

    def test_linear_in_both(self, tiny) -> None:
        (a, e), (b, f) = random_coefficients(tiny), random_coefficients(tiny, seed=1)
        both = tiny.shape(2 * a - b, 2 * e - f)
        torch.testing.assert_close(both, 2 * tiny.shape(a, e) - tiny.shape(b, f))

    def test_one_coefficient_is_one_basis_vector(self, tiny) -> None:
        moved = tiny.shape(torch.zeros(1, 2), torch.tensor([[0.0, 1.0]]))[0] - tiny.mean
        torch.testing.assert_close(moved, tiny.expression[tiny.expression_index("smile")])

    def test_fewer_identity_coefficients(self, tiny) -> None:
        identity = torch.tensor([[1.5, 0.0]])
        torch.testing.assert_close(tiny.shape(identity[:, :1]), tiny.shape(identity))

    def test_gradcheck(self, tiny) -> None:
        model = as_double(tiny)
        inputs = [t.double().requires_grad_() for t in random_coefficients(model)]
        assert torch.autograd.gradcheck(model.shape, inputs)


class TestPose:
    def test_nothing_given_changes_nothing(self, tiny) -> None:
        vertices = tiny.shape(torch.zeros(1, 2))
        torch.testing.assert_close(tiny.pose(vertices), vertices)
        still = tiny.pose(vertices, torch.zeros(1, 2, 2), torch.zeros(1, 3))
        torch.testing.assert_close(still, vertices)

    @pytest.mark.parametrize(("axis", "sign"), [(0, 1), (1, 0)], ids=["yaw", "pitch"])
    def test_gaze_turns_one_iris_towards_x_or_up(self, tiny, axis: int, sign: int) -> None:
        gaze = torch.zeros(1, 2, 2)
        gaze[0, 0, sign] = 0.3  # the left eye only: yaw to +X, pitch to +Y
        before = tiny.shape(torch.zeros(1, 2))
        moved = (tiny.pose(before, gaze) - before)[0]
        left, right = (tiny.part_vertices(name) for name in ("eye_L", "eye_R"))
        iris = left[before[0, left, 2].argmax()]
        radius = float((before[0, iris] - tiny.eye_centres(before)[0, 0]).norm())
        assert float(moved[iris, axis]) == pytest.approx(radius * math.sin(0.3), abs=1e-6)
        assert moved[right].abs().max() == 0
        assert moved[tiny.part_vertices("head")].abs().max() == 0

    def test_gaze_keeps_centre_and_size(self, tiny) -> None:
        before = tiny.shape(*random_coefficients(tiny, 1))
        after = tiny.pose(before, torch.tensor([[[0.2, 0.4], [-0.3, 0.1]]]))
        torch.testing.assert_close(tiny.eye_centres(after), tiny.eye_centres(before))
        left, centre = tiny.part_vertices("eye_L"), tiny.eye_centres(before)[:, :1]
        distance = [(vertices[:, left] - centre).norm(dim=2) for vertices in (before, after)]
        torch.testing.assert_close(distance[1], distance[0])

    def test_neck_moves_the_head_not_the_collar(self, tiny) -> None:
        before = tiny.shape(torch.zeros(1, 2))
        moved = (tiny.pose(before, neck=torch.tensor([[0.0, 0.5, 0.0]])) - before)[0]
        assert moved[tiny.neck_weight == 0].abs().max() == 0
        nose = tiny.part_vertices("head")[before[0, tiny.part_vertices("head"), 2].argmax()]
        assert moved[nose, 0] > 0.02  # a turn about +Y takes the nose to +X

    def test_full_neck_weight_is_rigid(self, tiny) -> None:
        rigid = replace(tiny, neck_weight=torch.ones_like(tiny.neck_weight))
        before = rigid.shape(*random_coefficients(tiny, 1))
        after = rigid.pose(before, neck=torch.tensor([[0.1, 0.5, -0.2]]))
        torch.testing.assert_close(torch.cdist(after, after), torch.cdist(before, before))

    def test_eyes_turn_in_the_head_before_the_neck(self, tiny) -> None:
        gaze, neck = torch.tensor([[[0.1, 0.2], [0.1, 0.2]]]), torch.tensor([[0.0, 0.4, 0.0]])
        before = tiny.shape(torch.zeros(1, 2))
        together = tiny.pose(before, gaze, neck)
        torch.testing.assert_close(together, tiny.pose(tiny.pose(before, gaze), neck=neck))

    def test_gaze_without_eyes_is_ignored(self, tiny) -> None:
        blind = replace(
            tiny, part=torch.zeros_like(tiny.part), part_names=("head",),
            eye_ring=torch.zeros(0, 1, dtype=torch.long),
        )  # fmt: skip
        vertices = blind.shape(torch.zeros(2, 2))
        assert blind.eye_centres(vertices).shape == (2, 0, 3)
        torch.testing.assert_close(blind.pose(vertices, torch.ones(2, 2, 2)), vertices)

    def test_gradcheck(self, tiny) -> None:
        model = as_double(tiny)
        vertices = model.shape(torch.zeros(1, 2, dtype=torch.float64)).requires_grad_()
        gaze = torch.tensor([[[0.1, -0.2], [0.3, 0.2]]], dtype=torch.float64, requires_grad=True)
        neck = torch.tensor([[0.1, 0.2, -0.1]], dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(model.pose, (vertices, gaze, neck))

    def test_neck_has_a_finite_gradient_at_rest(self, tiny) -> None:
        neck = torch.zeros(1, 3, requires_grad=True)
        tiny.pose(tiny.shape(torch.zeros(1, 2)), neck=neck).square().sum().backward()
        assert torch.isfinite(neck.grad).all()

    def test_gaze_rotation_is_a_rotation(self) -> None:
        rotation = gaze_rotation(torch.tensor([[0.3, -0.8], [1.0, 2.0]]))
        torch.testing.assert_close(rotation @ rotation.mT, torch.eye(3).expand(2, 3, 3))
        torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(2))


class TestParts:
    def test_vertices_and_triangles(self, tiny) -> None:
        assert len(tiny.part_triangles("eye_R")) == 8 and len(tiny.part_vertices("eye_R")) == 6
        assert sum(len(tiny.part_triangles(n)) for n in tiny.part_names) == len(tiny.triangles)

    def test_landmarks_follow_the_surface(self, tiny) -> None:
        vertices = tiny.shape(*random_coefficients(tiny, 2))
        points = tiny.landmarks(vertices)
        assert points.shape == (2, 2, 3)
        torch.testing.assert_close(points[:, 0], vertices[:, tiny.triangles[0, 0]])
        torch.testing.assert_close(points[:, 1], vertices[:, tiny.triangles[3]].mean(1))

    @pytest.mark.parametrize("call", ["part_triangles", "part_vertices", "expression_index"])
    def test_unknown_names(self, tiny, call: str) -> None:
        with pytest.raises(KeyError, match="beak"):
            getattr(tiny, call)("beak")

    def test_mismatched_bases(self, tiny) -> None:
        with pytest.raises(ValueError, match=r"wanted identity \[K, 22, 3\]"):
            replace(tiny, identity=tiny.identity[:, :5])
        with pytest.raises(ValueError, match="2 expressions, 1 names"):
            replace(tiny, expression_names=("smile",))


class TestFile:
    def test_round_trip(self, tiny, tmp_path: Path) -> None:
        path = tmp_path / "head.safetensors"
        save_head(tiny, path)
        loaded = load_head(path)
        for name, value in vars(tiny).items():
            if isinstance(value, torch.Tensor):
                other = getattr(loaded, name)
                assert other.dtype == value.dtype and other.shape == value.shape, name
                torch.testing.assert_close(other, value, rtol=1e-3, atol=1e-6)
        assert loaded.expression_names == tiny.expression_names
        assert loaded.part_names == tiny.part_names
        assert loaded.metadata == {"source": "test"}
        assert loaded.regions.keys() == {"face"}
        torch.testing.assert_close(loaded.mean, tiny.mean, rtol=0, atol=0)

    def test_fingerprint_is_that_of_the_file(self, tiny, tmp_path: Path) -> None:
        path = tmp_path / "head.safetensors"
        save_head(tiny, path)
        assert load_head(path).fingerprint() == tiny.fingerprint()
        others = [
            replace(tiny, mean=tiny.mean + 1e-6),
            replace(tiny, uv=tiny.uv * 0.5),
            replace(tiny, identity=-tiny.identity),
            replace(tiny, expression_names=("smile", "jawOpen")),
        ]
        assert len({tiny.fingerprint(), *(head.fingerprint() for head in others)}) == 5

    def test_saving_replaces_whole_or_not_at_all(self, tiny, tmp_path: Path) -> None:
        path = tmp_path / "head.safetensors"
        path.write_bytes(b"old")
        save_head(tiny, path)
        assert load_head(path).mean.shape == tiny.mean.shape
        assert [p.name for p in tmp_path.iterdir()] == ["head.safetensors"]
        with pytest.raises(OutputError):
            save_head(tiny, tmp_path / "nowhere" / "head.safetensors")

    def test_missing_or_cut_off(self, tiny, tmp_path: Path) -> None:
        path = tmp_path / "head.safetensors"
        with pytest.raises(InputError, match=r"head\.safetensors"):
            load_head(path)
        save_head(tiny, path)
        for size in (0, 7, 100, path.stat().st_size - 10):
            cut = tmp_path / f"{size}.safetensors"
            cut.write_bytes(path.read_bytes()[:size])
            with pytest.raises(InputError, match=rf"{size}\.safetensors"):
                load_head(cut)

    def test_another_safetensors_file(self, tmp_path: Path) -> None:
        path = tmp_path / "other.safetensors"
        save_file({"mean": torch.zeros(3, 3)}, str(path))
        with pytest.raises(InputError, match="not a fitme-head-1 file"):
            load_head(path)

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("triangles", torch.full((28, 3), 22, dtype=torch.int32)),
            ("triangles", torch.full((28, 3), -1, dtype=torch.int32)),
            ("uv_triangles", torch.zeros(27, 3, dtype=torch.int32)),
            ("part", torch.full((28,), 3, dtype=torch.int32)),
            ("mirror", torch.full((22,), 99, dtype=torch.int32)),
            ("identity", torch.zeros(2, 21, 3)),
            ("mean", torch.full((22, 3), math.nan)),
        ],
    )
    def test_damaged_content(self, tiny, tmp_path: Path, key: str, value: torch.Tensor) -> None:
        path = tmp_path / "head.safetensors"
        save_head(tiny, path)
        with safe_open(str(path), framework="pt") as file:
            tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
            metadata = file.metadata()
        save_file(tensors | {key: value}, str(path), metadata)
        with pytest.raises(InputError, match="damaged head model"):
            load_head(path)


def as_double(model: HeadModel) -> HeadModel:
    names = ("mean", "identity", "expression", "neck_weight", "neck_joint")
    return replace(model, **{name: getattr(model, name).double() for name in names})


@pytest.fixture(scope="module")
def shipped() -> HeadModel:
    path = weight_path("head.safetensors")
    if not path.is_file():
        pytest.skip("the package has no head.safetensors")
    return load_head(path)


def expressed(model: HeadModel, **weights: float) -> torch.Tensor:
    """The mean head [1, V, 3] with named expressions."""
    expression = torch.zeros(1, len(model.expression))
    for name, weight in weights.items():
        expression[0, model.expression_index(name)] = weight
    return model.shape(torch.zeros(1, len(model.identity)), expression)


def front_view(
    model: HeadModel, vertices: torch.Tensor, low: torch.Tensor, high: torch.Tensor,
    step: float = 0.000125,
) -> dict[str, int]:  # fmt: skip
    """How many samples of a window in x, y see each part from the front, orthographically."""
    rows, columns = (round(float(n) / step) for n in (high - low).flip(0))
    x = (2 * vertices[..., 0] - low[0] - high[0]) / (high[0] - low[0])
    y = (2 * vertices[..., 1] - low[1] - high[1]) / (high[1] - low[1])
    clip = torch.stack([x, -y, -vertices[..., 2], torch.ones_like(x)], -1)
    seen, _ = CpuBackend().rasterize(clip, model.triangles, (rows, columns))
    triangle = seen[seen[..., 3] > 0][:, 3].long() - 1
    counts = torch.bincount(model.part[triangle], minlength=len(model.part_names))
    return dict(zip(model.part_names, counts.tolist(), strict=True))


def eye_window(model: HeadModel, vertices: torch.Tensor, eye: int):
    centre = model.eye_centres(vertices)[0, eye, :2]
    return centre - 0.025, centre + 0.025


class TestShipped:
    """Properties of models/weights/head.safetensors."""

    def test_arkit_names_in_order(self, shipped) -> None:
        assert shipped.expression_names == ARKIT_NAMES and len(ARKIT_NAMES) == 52

    def test_sizes(self, shipped) -> None:
        assert {"head", "eye_L", "eye_R"} <= set(shipped.part_names)
        assert 80 <= len(shipped.identity) <= 100
        assert len(shipped.landmark_triangles) == len(shipped.landmark_weight) == 478

    def test_units_and_axes(self, shipped) -> None:
        size = shipped.mean.max(0).values - shipped.mean.min(0).values
        assert 0.2 < float(size[1]) < 0.4
        assert 0.12 < float(size[0]) < 0.25
        centres = shipped.eye_centres(shipped.mean[None])[0]
        assert centres[0, 0] > 0.02 and centres[1, 0] < -0.02  # +X is the person's left
        assert (centres[:, 2] > shipped.mean[:, 2].mean()).all()  # and the face is in front

    def test_identity_is_sorted_and_plausible(self, shipped) -> None:
        rms = shipped.identity.square().sum(2).mean(1).sqrt()
        assert 0.001 < float(rms[0]) < 0.02
        assert float(rms[0]) > float(rms[-1]) > 0

    def test_mean_is_mirror_symmetric(self, shipped) -> None:
        itself = torch.arange(len(shipped.mean))
        assert (shipped.mirror[shipped.mirror] == itself).all()
        head = shipped.part_vertices("head")
        reflected = shipped.mean[shipped.mirror] * MIRROR
        torch.testing.assert_close(reflected[head], shipped.mean[head], rtol=0, atol=1e-6)
        centres = shipped.eye_centres(shipped.mean[None])[0]
        torch.testing.assert_close(centres[0] * MIRROR, centres[1], rtol=0, atol=1e-5)

    def test_triangles(self, shipped) -> None:
        triangles = shipped.triangles
        assert triangles.min() == 0 and triangles.max() == len(shipped.mean) - 1
        assert (triangles.sort(1).values.diff(dim=1) > 0).all()
        assert len(triangles.unique()) == len(shipped.mean)
        twice = len(triangles) - len(triangles.sort(1).values.unique(dim=0))
        assert twice == 0, f"{twice} triangles lie on another one"

    @pytest.mark.parametrize("part", range(6))
    def test_no_degenerate_triangle(self, shipped, part: int) -> None:
        corners = shipped.mean[shipped.triangles[shipped.part == part]].double()
        a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        area = torch.linalg.cross(a, b).norm(dim=1) / 2
        # 1e-10 m^2 is a right triangle with sides of 14 micrometres.
        assert (area > 1e-10).all(), (shipped.part_names[part], int((area <= 1e-10).sum()))

    def test_head_and_eyes_point_outwards(self, shipped) -> None:
        for name in ("head", "eye_L", "eye_R"):
            corners = shipped.mean[shipped.part_triangles(name)]
            a, b, c = (corners - shipped.mean[shipped.part_vertices(name)].mean(0)).unbind(1)
            assert (a * torch.linalg.cross(b, c)).sum() > 0, name

    def test_uv(self, shipped) -> None:
        assert shipped.uv.min() >= 0 and shipped.uv.max() <= 1
        assert shipped.uv_triangles.max() == len(shipped.uv) - 1
        a, b, c = shipped.uv[shipped.uv_triangles[shipped.part == 0]].double().unbind(1)
        a, b = b - a, c - a
        # v points down, so a texture that is not mirrored turns clockwise in (u, v).
        assert (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0] < 0).all()

    def test_blink_closes(self, shipped) -> None:
        vertices = expressed(shipped, eyeBlinkLeft=1, eyeBlinkRight=1)
        seen = [
            front_view(shipped, vertices, *eye_window(shipped, vertices, eye))[name]
            for eye, name in enumerate(("eye_L", "eye_R"))
        ]
        assert seen == [0, 0], f"samples of 0.125 mm that show the eyeballs: {seen}"

    def test_blink_is_one_sided(self, shipped) -> None:
        vertices = expressed(shipped, eyeBlinkLeft=1)
        right = front_view(shipped, vertices, *eye_window(shipped, vertices, 1))
        rest = front_view(shipped, expressed(shipped), *eye_window(shipped, vertices, 1))
        assert right["eye_R"] == rest["eye_R"] > 5000  # 5000 samples are 78 square millimetres

    @pytest.mark.parametrize("weights", [{}, {"jawOpen": 1, "mouthClose": 1}])
    def test_lips_meet(self, shipped, weights: dict[str, float]) -> None:
        vertices = expressed(shipped, **weights)
        low, high = torch.tensor([-0.04, -0.09]), torch.tensor([0.04, -0.01])
        seen = front_view(shipped, vertices, low, high)
        inside = {name: seen[name] for name in ("mouth", "teeth", "tongue")}
        assert set(inside.values()) == {0}, inside

    def test_jaw_opens_the_mouth(self, shipped) -> None:
        low, high = torch.tensor([-0.04, -0.09]), torch.tensor([0.04, -0.01])
        seen = front_view(shipped, expressed(shipped, jawOpen=1), low, high)
        assert seen["mouth"] + seen["teeth"] + seen["tongue"] > 20_000  # 3 square centimetres

    def test_gaze_moves_the_iris_and_stays_behind_the_lids(self, shipped) -> None:
        rest = expressed(shipped)
        yaw = torch.zeros(1, 2, 2)
        yaw[..., 1] = 0.4
        moved = shipped.pose(rest, yaw)
        for eye, name in enumerate(("eye_L", "eye_R")):
            index = shipped.part_vertices(name)
            front = index[rest[0, index, 2].argmax()]
            assert 0.004 < float(moved[0, front, 0] - rest[0, front, 0]) < 0.010
            assert float((moved - rest)[0, index].norm(dim=1).max()) < 0.012
            centre = shipped.eye_centres(rest)[0, eye]
            radii = (rest[0, index] - centre).norm(dim=1)
            assert 0.010 < float(radii.median()) < 0.018
            assert float(radii.max() - radii.min()) < 0.004  # nearly round: a turn hurts no lid

    def test_neck_turns_the_head_on_a_still_collar(self, shipped) -> None:
        rest = expressed(shipped)
        moved = shipped.pose(rest, neck=torch.tensor([[0.0, 0.4, 0.0]])) - rest
        low = rest[0, :, 1] <= rest[0, :, 1].min() + 1e-4
        assert float(moved[0, low].norm(dim=1).max()) < 0.002
        nose = rest[0, :, 2].argmax()
        assert float(moved[0, nose, 0]) > 0.04
        assert float(shipped.neck_weight.min()) >= 0 and float(shipped.neck_weight.max()) <= 1

    def test_masks_and_landmarks(self, shipped) -> None:
        for mask in (*shipped.regions.values(), shipped.occlusion):
            assert mask.shape == shipped.mean.shape[:1]
            assert float(mask.min()) >= 0 and float(mask.max()) <= 1
        share = shipped.landmark_barycentric
        torch.testing.assert_close(share.sum(1), torch.ones(len(share)))
        assert share.min() >= -1e-4 and shipped.landmark_weight.min() >= 0
        points = shipped.landmarks(shipped.mean[None])[0]
        # Nose tip, chin, forehead, irises of the person's right and left.
        assert points[4, 2] > 0.12 and points[152, 1] < points[4, 1] < points[10, 1]
        assert points[468, 0] < -0.02 and points[473, 0] > 0.02

    def test_landmarks_are_mirror_symmetric(self, shipped) -> None:
        points = shipped.landmarks(shipped.mean[None])[0]
        partner = points[torch.as_tensor(LANDMARK_MIRROR)] * MIRROR
        off = (partner - points).norm(dim=1)
        bad = {i: round(1000 * float(off[i]), 2) for i in (off > 0.001).nonzero()[:, 0].tolist()}
        assert not bad, f"landmarks whose mirror image is elsewhere, mm: {bad}"

"""Agreement with Mitsuba 3 (variant scalar_rgb): same mesh, maps, BRDF, camera, lights.

Measured at 48x48, root mean square (99th percentile) of the difference over the mean of the
reference, away from silhouettes and terminators, and the error of the mean:

    diffuse, albedo and normal map, 2 directional + 1 point light    0.25 % (0.8 %)  0.2 %
    diffuse, constant sky                                            0.5 %  (1.4 %)  0.0 %
    GGX, constant Fresnel 1, normal map, lamps (roughconductor)      2.6 %  (12 %)   0.0 %
    GGX, Schlick against dielectric Fresnel, lamps (roughplastic)    2.7 %  (13 %)   0.3 %
    GGX, constant Fresnel 1, sky: the split-sum polynomials          1.8 %  (3.7 %)  1.6 %
    GGX, Schlick against dielectric Fresnel, sky                     15 %   (36 %)   12 %
    all together (F0 = 0.04) on a head with a nose                   1.2 %  (2.7 %)  0.8 %
    diffuse, shadows of a ball from a directional and a point light  3.7 %  (18 %)   0.3 %

The shadows' differences lie at their edges, a map's texel wide; without shadows they are 110 %.
The lamps' specular numbers are Mitsuba's sampling noise inside pixels that hold a highlight
twenty times the mean. The sky's 15 % is Schlick's approximation itself: at 60 degrees it gives
0.070 where a dielectric of F0 = 0.04 reflects 0.089.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.scenes import head, skin
from fitme.render import Material, Mesh, render, shadows
from fitme.render.camera import perspective
from fitme.render.geometry import vertex_normals
from fitme.render.light import Light

mi = pytest.importorskip("mitsuba", reason="the comparison needs the dev dependency mitsuba")

SIZE = 48
EYE, FOV = (0.12, 0.06, 0.5), 28.0
ROUGHNESS = 0.4
LAMP_SAMPLES, SKY_SAMPLES = 36, 400


@pytest.fixture(scope="module", autouse=True)
def _variant():
    mi.set_variant("scalar_rgb")


def head_mesh(bump: float = 0.0) -> Mesh:
    return head(36, 54, bump=bump)


def to_mitsuba(mesh: Mesh, bsdf: dict) -> object:
    """Vertices split at UV seams, our smooth normals."""
    owner = torch.empty(len(mesh.uv), dtype=torch.long)
    owner[mesh.uv_triangles.reshape(-1).long()] = mesh.triangles.reshape(-1).long()
    normals = vertex_normals(mesh.vertices, mesh.triangles)[0][owner]
    props = mi.Properties()
    props["bsdf"] = mi.load_dict(bsdf)
    shape = mi.Mesh("head", len(owner), len(mesh.uv_triangles), props, True, True)
    params = mi.traverse(shape)
    params["vertex_positions"] = mesh.vertices[0][owner].numpy().ravel()
    params["vertex_normals"] = normals.numpy().ravel()
    params["vertex_texcoords"] = mesh.uv.numpy().ravel()
    params["faces"] = mesh.uv_triangles.numpy().astype(np.uint32).ravel()
    params.update()
    return shape


def bitmap(texture: torch.Tensor) -> dict:
    return {
        "type": "bitmap",
        "bitmap": mi.Bitmap(np.ascontiguousarray(texture[0].numpy())),
        "raw": True,
        "filter_type": "bilinear",
        "wrap_mode": "clamp",
    }


def bumped(normal: torch.Tensor | None, bsdf: dict) -> dict:
    if normal is None:
        return bsdf
    return {"type": "normalmap", "normalmap": bitmap(normal * 0.5 + 0.5), "bsdf": bsdf}


def emitters(light: Light) -> dict:
    found: dict = {}
    sh, directions, colors, positions, intensities = light.tensors()
    ambient = (sh[0, 0] * 0.28209479).tolist()
    if max(ambient) > 0:
        found["sky"] = {"type": "constant", "radiance": {"type": "rgb", "value": ambient}}
    for k, (towards, color) in enumerate(zip(directions[0], colors[0], strict=True)):
        found[f"sun{k}"] = {
            "type": "directional",
            "direction": (-towards).tolist(),
            "irradiance": {"type": "rgb", "value": (torch.pi * color).tolist()},
        }
    for k, (place, power) in enumerate(zip(positions[0], intensities[0], strict=True)):
        found[f"bulb{k}"] = {
            "type": "point",
            "position": place.tolist(),
            "intensity": {"type": "rgb", "value": (torch.pi * power).tolist()},
        }
    return found


def mitsuba_image(mesh: Mesh, bsdf: dict, light: Light) -> torch.Tensor:
    """[H,W,3], one emitter at a time: choosing among several would only add noise."""
    return sum(
        one_emitter(mesh, bsdf, lamp, SKY_SAMPLES if lamp["type"] == "constant" else LAMP_SAMPLES)
        for lamp in emitters(light).values()
    )


def one_emitter(mesh: Mesh, bsdf: dict, lamp: dict, spp: int) -> torch.Tensor:
    scene = mi.load_dict(
        {
            "type": "scene",
            "shape": to_mitsuba(mesh, bsdf),
            "integrator": {
                "type": "direct",
                "emitter_samples": 1,
                "bsdf_samples": 1,
                "hide_emitters": True,
            },
            "sensor": {
                "type": "perspective",
                "fov": FOV,
                "fov_axis": "y",
                "to_world": mi.ScalarTransform4f().look_at(list(EYE), [0, 0, 0], [0, 1, 0]),
                "film": {
                    "type": "hdrfilm",
                    "width": SIZE,
                    "height": SIZE,
                    "pixel_format": "rgb",
                    "rfilter": {"type": "box"},
                },
                "sampler": {"type": "stratified", "sample_count": spp},
            },
            "lamp": lamp,
        }
    )
    return torch.from_numpy(np.array(mi.render(scene, spp=spp, seed=1)))


def ours(
    mesh: Mesh, material: Material, light: Light, cast: bool = False
) -> dict[str, torch.Tensor]:
    """Images [1,SIZE,SIZE,C], each pixel the mean of 4x4 as Mitsuba's box filter has it."""
    camera = perspective(torch.tensor([EYE]), torch.zeros(1, 3), FOV, 4 * SIZE, 4 * SIZE)
    out = render(mesh, [material], camera, light, shadows=cast)
    names = ("color", "diffuse", "specular", "alpha", "normal", "position")
    smooth = render(mesh, [replace(material, normal=None)], camera, light).normal
    images = {name: getattr(out, name) for name in names} | {"smooth": smooth}
    return {
        name: torch.nn.functional.avg_pool2d(image.permute(0, 3, 1, 2), 4).permute(0, 2, 3, 1)
        for name, image in images.items()
    }


def interior(out: dict[str, torch.Tensor], light: Light) -> torch.Tensor:
    """[H,W] pixels away from silhouettes, grazing views and terminators, where Mitsuba's
    flat triangles (shadow rays, back faces) and our smooth ones must differ."""
    covered = (out["alpha"][0, ..., 0] == 1).float()
    inner = -torch.nn.functional.max_pool2d(-covered[None, None], 5, 1, 2)[0, 0] > 0
    view = torch.nn.functional.normalize(torch.tensor(EYE) - out["position"][0], dim=-1)
    inner &= (out["normal"][0] * view).sum(-1) > 0.3
    _, directions, _, positions, _ = light.tensors()
    towards = [d.expand(SIZE, SIZE, 3) for d in directions[0]]
    towards += [torch.nn.functional.normalize(p - out["position"][0], dim=-1) for p in positions[0]]
    for d in towards:
        cosines = [(out[name][0] * d).sum(-1) for name in ("normal", "smooth")]
        lit, dark = (torch.stack([sign * c > 0.2 for c in cosines]).all(0) for sign in (1, -1))
        inner &= lit | dark
    assert inner.sum() > 250
    return inner


def errors(got: torch.Tensor, wanted: torch.Tensor, mask: torch.Tensor) -> tuple[float, float]:
    """Root mean square and 99th percentile of the difference over the mean of the reference."""
    difference = (got[0] - wanted)[mask].abs() / wanted[mask].mean()
    return difference.square().mean().sqrt().item(), difference.quantile(0.99).item()


LAMPS = Light(
    torch.zeros(1, 9, 3),
    torch.tensor([[[0.4, 0.5, 1.0], [-0.6, 0.1, 0.9]]]),
    torch.tensor([[[0.7, 0.6, 0.5], [0.2, 0.3, 0.4]]]),
    torch.tensor([[[0.15, 0.25, 0.45]]]),
    torch.tensor([[[0.06, 0.05, 0.04]]]),
)
SKY = Light.ambient((0.4, 0.5, 0.6))


def maps() -> Material:
    material = skin(33)  # odd: one mip level, like Mitsuba's bitmap
    return replace(material, roughness=ROUGHNESS)


def diffuse_bsdf(material: Material) -> dict:
    return bumped(
        material.normal, {"type": "diffuse", "reflectance": bitmap(material.diffuse_albedo)}
    )


def specular_bsdf(material: Material, kind: str) -> dict:
    shape = {"distribution": "ggx", "alpha": ROUGHNESS**2}
    if kind == "conductor":
        return bumped(material.normal, {"type": "roughconductor", "material": "none", **shape})
    return bumped(
        material.normal,
        {
            "type": "roughplastic",
            "int_ior": 1.5,
            "diffuse_reflectance": {"type": "rgb", "value": 0.0},
            **shape,
        },
    )


def check(name: str, got, wanted, mask, rms: float, p99: float, mean: float = 0.01) -> None:
    measured = errors(got, wanted, mask)
    ratio = abs((got[0][mask].mean() / wanted[mask].mean()).item() - 1)
    print(
        f"\n{name}: rms {100 * measured[0]:.2f} %, 99th percentile {100 * measured[1]:.2f} %, "
        f"mean {100 * ratio:.2f} %"
    )
    assert measured[0] < rms and measured[1] < p99 and ratio < mean


def test_diffuse_under_directional_and_point_lights() -> None:
    mesh, material = head_mesh(), maps()
    out = ours(mesh, material, LAMPS)
    wanted = mitsuba_image(mesh, diffuse_bsdf(material), LAMPS)
    check("diffuse, lamps", out["diffuse"], wanted, interior(out, LAMPS), 0.005, 0.015)


def test_diffuse_under_ambient_light() -> None:
    mesh, material = head_mesh(), replace(maps(), normal=None)
    out = ours(mesh, material, SKY)
    wanted = mitsuba_image(mesh, diffuse_bsdf(material), SKY)
    check("diffuse, sky", out["diffuse"], wanted, interior(out, SKY), 0.008, 0.025)


@pytest.mark.parametrize(
    ("kind", "rms", "p99"), [("conductor", 0.04, 0.17), ("plastic", 0.04, 0.17)]
)
def test_specular_under_lamps(kind: str, rms: float, p99: float) -> None:
    f0 = 1.0 if kind == "conductor" else 0.04
    mesh = head_mesh()
    material = replace(maps(), specular_albedo=torch.full((1, 1, 1, 1), f0))
    out = ours(mesh, material, LAMPS)
    wanted = mitsuba_image(mesh, specular_bsdf(material, kind), LAMPS)
    check(f"specular {kind}, lamps", out["specular"], wanted, interior(out, LAMPS), rms, p99)


@pytest.mark.parametrize(
    ("kind", "rms", "p99", "mean"), [("conductor", 0.03, 0.06, 0.025), ("plastic", 0.2, 0.45, 0.16)]
)
def test_specular_under_ambient_light(kind: str, rms: float, p99: float, mean: float) -> None:
    f0 = 1.0 if kind == "conductor" else 0.04
    mesh = head_mesh()
    material = replace(maps(), normal=None, specular_albedo=torch.full((1, 1, 1, 1), f0))
    out = ours(mesh, material, SKY)
    wanted = mitsuba_image(mesh, specular_bsdf(material, kind), SKY)
    check(f"specular {kind}, sky", out["specular"], wanted, interior(out, SKY), rms, p99, mean)


def test_everything_together_on_a_head_with_a_nose() -> None:
    """Diffuse plus specular, lamps plus sky; a nose casts shadows, so lights come from in front."""
    mesh, material = head_mesh(bump=0.15), maps()
    material = replace(material, specular_albedo=torch.full((1, 1, 1, 1), 0.04))
    light = replace(
        LAMPS, sh=SKY.sh, directions=torch.tensor([[[0.1, 0.15, 1.0], [0.25, 0.1, 0.9]]])
    )
    out = ours(mesh, material, light)
    wanted = mitsuba_image(mesh, diffuse_bsdf(material), light)
    wanted = wanted + mitsuba_image(mesh, specular_bsdf(material, "plastic"), light)
    check("all, nose", out["color"], wanted, interior(out, light), 0.02, 0.05)


def with_ball(mesh: Mesh, middle: list[float]) -> Mesh:
    """A head with a small one beside it."""
    ball = 0.3 * mesh.vertices + torch.tensor(middle)
    return replace(
        mesh,
        vertices=torch.cat([mesh.vertices, ball], dim=1),
        triangles=torch.cat([mesh.triangles, mesh.triangles + mesh.vertices.shape[1]]),
        uv=mesh.uv.repeat(2, 1),
        uv_triangles=torch.cat([mesh.uv_triangles, mesh.uv_triangles + len(mesh.uv)]),
        part=mesh.part.repeat(2),
    )


def test_shadows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ball out of view shades the face from two lights, a directional and a point one: Mitsuba's
    hard shadows against those of a cone without width."""
    monkeypatch.setattr(shadows, "HALF_ANGLE_DEG", 0.0)
    monkeypatch.setattr(shadows, "MAP_SIDES", (1024, 1024))
    mesh, material = with_ball(head_mesh(), [-0.17, 0.1, 0.18]), replace(maps(), normal=None)
    light = replace(
        LAMPS,
        directions=torch.tensor([[[-1.0, 0.6, 0.5]]]),
        colors=torch.ones(1, 1, 3),
        positions=torch.tensor([[[-0.34, 0.2, 0.34]]]),
    )
    wanted = mitsuba_image(mesh, diffuse_bsdf(material), light)
    out, plain = (ours(mesh, material, light, cast) for cast in (True, False))
    inner = interior(out, light)
    shaded = inner & ((plain["diffuse"][0] - out["diffuse"][0]).mean(-1) > 0.05)
    print(f"{int(shaded.sum())} of {int(inner.sum())} pixels shaded")
    assert shaded.sum() > 60 and errors(plain["diffuse"], wanted, inner)[0] > 0.2
    check("diffuse, shadows", out["diffuse"], wanted, inner, 0.06, 0.2, 0.01)

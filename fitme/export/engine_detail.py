"""What of static detail and moving folds goes along with an export, and how it is hooked up."""

from __future__ import annotations

from importlib.resources import files as package_files
from typing import Any

from fitme.export.content import Exportable
from fitme.export.detail_maps import (
    COMPRESSED,
    DISPLACEMENT,
    FOLDED_ALBEDO,
    STRETCHED,
    describe_detail,
    detail_maps,
)

NOTES_FILE = "wrinkles.md"
SCRIPTS = {
    "three": "wrinkles.js",
    "web": "wrinkles.js",
    "gltf": "wrinkles.js",
    "blender": "wrinkles_blender.py",
}

_COMMON = """# Wrinkles

The model and the maps beside it are those of a face at rest. What an expression folds is in

| file | what it is |
| --- | --- |
| `{compressed}` | normals, {green}, of skin that is compressed in full |
| `{stretched}` | the same of skin that is stretched in full |
| `{albedo}` | base colour, sRGB, of skin that is compressed in full |
| `{masks}` | where the regions of the face are, four to a picture (R, G, B, A), linear |

`fitme_export.json` has under "wrinkles" for each region its mask and, for each morph target, by how
much it compresses (above 0) or stretches (below 0) the skin there. At every pixel

    amount = clamp(sum over regions of mask * sum over shapes of weight * table, {low:g}, {high:g})
    normal = amount > 0 ? lerp(normal, compressed, amount) : lerp(normal, stretched, -amount)
    colour = lerp(base colour, compressed colour, max(amount, 0))

The inner sums, one a region, are the same for all pixels: compute them once a frame and hand them
over as vectors of four. Alpha of the masks is data: no premultiplication, no "alpha is
transparency".

"""
_HOW = {
    "three": """`wrinkles.js` does all of it:

    import {{ loadWrinkles, addWrinkles }} from "./wrinkles.js";
    const about = await (await fetch("fitme_export.json")).json();
    const head = gltf.scene.getObjectByName("head"); // "head_mesh" with --skeleton plain
    addWrinkles(THREE, head, about, await loadWrinkles(THREE, about, ""));
""",
    "blender": """`wrinkles_blender.py` does all of it: Scripting > Open > Run Script. It wires the
nodes of the head's material and drives a value per region by the shape keys.
""",
    "unity": """Import the masks and normals with sRGB off (the normals as Texture Type Normal map),
the colour with sRGB on. In Shader Graph a Custom Function, `W0`, `W1`, `W2` being properties:

    Amount = clamp(dot(Mask0, W0) + dot(Mask1, W1) + dot(Mask2, W2), {low:g}, {high:g});
    Normal = normalize(lerp(Base, Amount > 0 ? Compressed : Stretched, abs(Amount)));
    Colour = lerp(Albedo, Folded, max(Amount, 0));

A script sets them in LateUpdate from `SkinnedMeshRenderer.GetBlendShapeWeight(i) / 100`.
""",
    "unreal": """Import the masks with sRGB off and compression Masks, the normals as Normalmap
(green is down already), the colour with sRGB on. In the material three vector parameters `W0`,
`W1`, `W2`; in a Custom node

    return clamp(dot(Mask0, W0) + dot(Mask1, W1) + dot(Mask2, W2), {low:g}, {high:g});

then Lerp normal and Base Color as above. Set the parameters on a dynamic material instance from the
morph targets (Get Morph Target), or as curves of the animation blueprint named like the parameters.
""",
}
_HOW["gltf"] = _HOW["web"] = _HOW["three"]


def engine_detail(
    avatar: Exportable, engine: str, size: int | None, bits: int, directx: bool
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """(files by their path in the export, what `fitme_export.json` says of them). PNG always."""
    maps = detail_maps(avatar, size=size, bits=bits, directx=directx)
    renamed = {COMPRESSED, STRETCHED} if directx else set()
    path = {
        name: f"textures/{name.replace('.png', '_directx.png') if name in renamed else name}"
        for name in maps
    }
    files = {path[name]: data for name, data in maps.items()}
    about = describe_detail(avatar)
    if DISPLACEMENT in maps:
        about["displacement"]["file"] = path[DISPLACEMENT]
    if avatar.wrinkles is not None:
        masks = [path[name] for name in maps if name.startswith("wrinkle_masks")]
        used = {
            "compressed": path[COMPRESSED], "stretched": path[STRETCHED],
            "albedo": path[FOLDED_ALBEDO], "masks": masks,
        }  # fmt: skip
        about["wrinkles"]["files"] = used
        low, high = about["wrinkles"]["amount_range"]
        words = {
            **used, "masks": f"{masks[0]}`, ..., `{masks[-1]}", "low": low, "high": high,
            "green": "DirectX (green down)" if directx else "OpenGL (green up)",
        }  # fmt: skip
        files[NOTES_FILE] = (_COMMON + _HOW.get(engine, "")).format(**words).encode()
        if engine in SCRIPTS:
            script = package_files("fitme.export") / SCRIPTS[engine]
            files[SCRIPTS[engine]] = script.read_bytes()
    return files, about

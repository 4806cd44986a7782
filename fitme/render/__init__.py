"""The differentiable renderer: `render(mesh, materials, camera, light)`."""

from fitme.render.backends.base import BACKENDS, Rasterizer, get_backend
from fitme.render.renderer import RenderOutput, render
from fitme.render.scene import Material, Mesh

__all__ = ["BACKENDS", "Material", "Mesh", "Rasterizer", "RenderOutput", "get_backend", "render"]

"""The differentiable renderer: `render(mesh, materials, camera, light)`."""

from fitme.render.backends.base import Backend
from fitme.render.backends.registry import BACKENDS, get_backend
from fitme.render.renderer import RenderOutput, render
from fitme.render.scene import Material, Mesh

__all__ = ["BACKENDS", "Backend", "Material", "Mesh", "RenderOutput", "get_backend", "render"]

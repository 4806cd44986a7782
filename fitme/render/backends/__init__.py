"""Backends of the renderer: what one is (`base`), their names (`registry`), and one module or
folder each."""

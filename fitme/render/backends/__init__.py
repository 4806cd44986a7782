"""Backends of the renderer."""

"""Layers of detail on top of the head model's shape, see `fitme.head.geometry.Layer`."""

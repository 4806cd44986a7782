"""The losses of a fit: each a weighted scalar of what a step has drawn."""

"""The result of a fit, its folder, and how it looks from new sides."""

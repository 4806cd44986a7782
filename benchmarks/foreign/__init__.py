"""Heads of another make than the head model's, with photos of them: shapes nobody learned from."""

"""Synthetic photos of people: every pixel has its label, every vertex its place."""

"""The recipe of the encoder: synthetic photos to weights."""

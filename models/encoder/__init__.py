"""The encoder: a face's crop to labels of its pixels, dense landmarks, and start values."""

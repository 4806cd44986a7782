"""Which pixel of a photo is what: skin, hair, glasses, clothes, something else."""

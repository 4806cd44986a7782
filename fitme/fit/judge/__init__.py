"""What a user has to be told about a fit: what was decided for him, and what cannot be right.

    notes = before(photo, face, aligned)          # raises PhotoError where nothing can be right
    notes += after(avatar, index, photo)

`picture` judges the photo and the face in it, `plausible` the head that
was found, `likeness` how its render compares with the photo, `run` calls them for all photos.
"""

from fitme.fit.judge.likeness import compare, face_outline
from fitme.fit.judge.plausible import IMPLAUSIBLE
from fitme.fit.judge.run import after, before, judge_avatar, judge_photos

__all__ = [
    "IMPLAUSIBLE", "after", "before", "compare", "face_outline", "judge_avatar", "judge_photos",
]  # fmt: skip

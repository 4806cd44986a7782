"""Many people, unattended: `fitme batch`.

Imports nothing heavy: the process that watches over a batch needs neither torch nor mediapipe.
"""

from fitme.batch.run import BatchSummary, run_batch
from fitme.batch.subjects import Subject, find_subjects
from fitme.batch.task import Fitted, Result, Settings, Task

__all__ = [
    "BatchSummary",
    "Fitted",
    "Result",
    "Settings",
    "Subject",
    "Task",
    "find_subjects",
    "run_batch",
]

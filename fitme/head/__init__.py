"""The head model, how a photo sees it, and files of other models."""

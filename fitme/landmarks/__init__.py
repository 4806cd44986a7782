"""Facial landmarks: what they are, who finds them, files of one's own."""

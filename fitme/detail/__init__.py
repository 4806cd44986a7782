"""Detail on top of the head model: what is finer than its components and moves with the face."""

"""Pictures of an avatar for people to look at."""

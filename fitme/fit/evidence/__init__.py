"""What the photos say beyond the whole picture: what covers the face, hair, eyes, who it is."""

"""What the photos say beyond the picture as a whole: what covers the face, hair, eyes, who it is."""

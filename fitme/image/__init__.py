"""Photos and pictures: reading, orientation, colour, PNG."""

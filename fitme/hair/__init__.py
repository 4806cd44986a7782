"""Hair as strands: grown on the head's scalp, styled, coloured, drawn."""

"""The atlas of the skin and the materials of a head's parts."""

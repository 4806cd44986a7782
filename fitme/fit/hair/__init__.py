"""Hair and beard of the person in the photos, as parameters of `fitme.hair`."""

"""Archives, decoding, caches and fingerprints of image files."""

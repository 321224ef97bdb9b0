"""Image files: folders and archives, decoding, caching and fingerprints."""

"""One file per format; a sixth is one more file with a `FORMAT` (see `registry.Format`)."""

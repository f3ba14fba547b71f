"""One file per kind of request: what it changes and what it answers."""

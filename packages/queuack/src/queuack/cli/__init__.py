"""The command `queuack`: every command asks the public API and prints what it answers."""

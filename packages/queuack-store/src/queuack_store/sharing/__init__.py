"""One owner, many processes: who owns the file, and how the others reach it."""

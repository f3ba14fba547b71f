"""The engine: decides in memory what becomes of every job. No SQL, no sockets, no clock of its own."""

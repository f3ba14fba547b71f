"""The journal: an append-only log of checksummed records in segments. Knows bytes, not jobs."""

from queuack_store.journal.reader import Scan, scan
from queuack_store.journal.recovery import open_journal
from queuack_store.journal.segments import journal_files
from queuack_store.journal.writer import FileJournal

__all__ = ["FileJournal", "Scan", "journal_files", "open_journal", "scan"]

DELETE FROM queuack_tallies t USING batch_tallies b WHERE t.queue = b.queue AND t.task = b.task

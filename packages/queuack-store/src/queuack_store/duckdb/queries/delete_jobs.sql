DELETE FROM jobs WHERE id IN (SELECT id::UUID FROM batch_purged)

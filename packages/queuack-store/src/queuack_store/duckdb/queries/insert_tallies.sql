INSERT INTO queuack_tallies SELECT queue, task, cells FROM batch_tallies

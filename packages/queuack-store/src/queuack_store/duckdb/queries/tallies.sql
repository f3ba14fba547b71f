SELECT queue, task, cells FROM queuack_tallies

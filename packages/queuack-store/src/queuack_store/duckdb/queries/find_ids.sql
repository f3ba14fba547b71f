SELECT seq FROM jobs WHERE id IN (SELECT id::UUID FROM queuack_wanted)

SELECT seq FROM jobs WHERE status = 'claimed' ORDER BY seq

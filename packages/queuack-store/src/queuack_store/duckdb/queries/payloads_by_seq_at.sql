SELECT payload FROM job_payloads WHERE rowid = $place

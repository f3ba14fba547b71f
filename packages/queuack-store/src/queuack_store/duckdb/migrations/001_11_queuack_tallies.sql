-- What has ever happened, by queue and task; `cells` is for the engine alone (engine/tallies.py).
CREATE TABLE queuack_tallies (queue VARCHAR, task VARCHAR, cells BLOB)

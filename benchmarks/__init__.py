"""The project's benchmarks: one script per table of figures, and the page that is written from their results.

Every script writes one JSON file of the same form, and so does whoever measures other systems:

    {"machine": {...}, "rows": [
        {"table": "queue",            # queue, dag, stream or observability
         "measure": "drain, 2 processes",  # the name in targets.json
         "system": "queuack",         # or the peer, with the setting that matters: "huey (SQLite, fsync)"
         "value": 30123.0,            # the median of the runs
         "unit": "jobs/s",
         "settings": {"pending": 0},  # whatever the figure depends on; `pending`: jobs waiting meanwhile
         "durable": true,             # whether the answer waits for the disk
         "low": 29800.5, "high": 30400.1, "runs": 3,
         ...                          # optional: "floor" (true: no peer, but what nobody can beat), "cpu_us"
        }],
     "failures": [{"table": "queue", "system": "…", "what": "drain", "why": "…"}]}  # optional

`machine` names cores, system, the disk's fdatasync rate and versions. `report.py` reads all such files.
"""

"""gunicorn reads this by itself, from the folder that it is started in."""

# Read here, by the master, before there are workers: a missing secret is one line and an end, and not a worker that
# is started again and again.
import settings  # noqa: F401

bind = "0.0.0.0:8000"
workers = 2
threads = 8
# After SIGTERM, for the requests in flight: less than RINI_GRACE_PERIOD, which is less than the engine's patience.
graceful_timeout = 15
# Heartbeats in memory: a file on a slow disk can look like a hanging worker. And the file system is read-only.
worker_tmp_dir = "/dev/shm"

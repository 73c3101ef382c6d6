"""gunicorn reads this file in its working directory."""

# The master reads the settings before it starts a worker. So a missing secret ends gunicorn with one line, and does not restart
# a worker in a loop.
import settings  # noqa: F401

bind = "0.0.0.0:8000"
workers = 2
threads = 8
# The time for requests in flight after SIGTERM. It must be less than RINI_GRACE_PERIOD, which must be less than the engine's
# stop timeout.
graceful_timeout = 15
# Heartbeats in memory: on a slow disk, a worker can look hung. Also, the file system is read-only.
worker_tmp_dir = "/dev/shm"

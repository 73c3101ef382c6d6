"""How Celery loses no task. The stop itself is rini's: it forwards SIGTERM, at which Celery finishes what it has begun."""

# A task is taken off the queue when it is done, and not when it begins: a killed worker's tasks are done by another.
# So a task may be done twice, and has to bear that.
task_acks_late = True
task_reject_on_worker_lost = True
# No more tasks in hand than are being worked on: those in hand when a worker is killed wait for the visibility timeout.
worker_prefetch_multiplier = 1
# After which redis gives a killed worker's tasks to another. Longer than any task, or that is done twice at once.
broker_transport_options = {"visibility_timeout": 600, "socket_timeout": 5, "socket_connect_timeout": 5}
# redis may be away, at the start and later: the worker waits for it.
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
# Nobody asks for results.
task_ignore_result = True

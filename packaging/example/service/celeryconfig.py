"""Settings with which Celery loses no task. For a stop, rini forwards SIGTERM, and Celery finishes the running tasks."""

# A task leaves the queue when it is done. If a worker is killed, another worker does its tasks. So a task can run twice, and
# must allow that.
task_acks_late = True
task_reject_on_worker_lost = True
# A worker fetches no task in advance. The tasks of a killed worker have to wait for the visibility timeout.
worker_prefetch_multiplier = 1
# After this time, another worker gets the tasks of a killed one. It must exceed the longest task, or that task runs twice.
broker_transport_options = {"visibility_timeout": 600, "socket_timeout": 5, "socket_connect_timeout": 5}
# If redis is not there, at the start or later, the worker waits for it.
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
# No client reads the results.
task_ignore_result = True

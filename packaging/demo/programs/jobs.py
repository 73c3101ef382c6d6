"""Queues 30 tasks and waits until the worker has fetched as many as it fetches at once (jobs.py queue), or prints the number
of lost tasks (jobs.py count).

A task that has finished is not lost. A task in the queue is not lost either: the next worker finds it there. A task that
started and did not finish is lost, because no worker does it again. A task that a worker fetched, did not start and did not
give back is held: no other worker gets it until Celery's visibility timeout ends.
"""

import sys

from tasks import app, notes, work

COUNT = 30
# A Celery worker with two processes runs two tasks, and fetches four more in advance for each process.
RUNNING = 2
WAITING = 2 * 4

if sys.argv[1] == "queue":
    fetched = notes.pubsub()
    fetched.subscribe("__keyspace@0__:celery", "__keyspace@0__:unacked")
    for number in range(COUNT):
        work.delay(number)
    # Wait until Celery has taken its tasks out of the queue, and has noted those that do not run yet. tasks.py says why.
    for _ in fetched.listen():
        if notes.llen("celery") <= COUNT - RUNNING - WAITING and notes.hlen("unacked") >= WAITING:
            break
else:
    started = notes.scard("started")
    lost = started - notes.scard("finished")
    held = COUNT - started - notes.llen("celery")
    hours = app.connection().default_channel.visibility_timeout / 3600
    print(lost, "of", COUNT, "tasks" + (f", {held} held for {hours:g} h" if held else ""))

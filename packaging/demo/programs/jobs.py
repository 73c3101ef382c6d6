"""Queues 30 tasks and waits until the worker has fetched all that it fetches at once (jobs.py queue), or prints how many
of them are lost (jobs.py count).

A task has finished, or it is in the queue, where the next worker finds it. Or it was started and never finished: that
one is lost, as nobody will do it again. Or a worker had fetched it, did not start it, and did not give it back: then no
other worker gets it until Celery's visibility timeout is over.
"""

import sys

from tasks import app, notes, work

COUNT = 30
# Celery's worker with two processes runs two tasks, and has four in advance for each process.
FETCHED = 2 + 2 * 4

if sys.argv[1] == "queue":
    fetched = notes.pubsub()
    fetched.subscribe("__keyspace@0__:celery")
    for number in range(COUNT):
        work.delay(number)
    # What a worker is just fetching when it is stopped, Celery may lose by itself, under any init: it throws away what
    # Redis has sent and it has not yet read (https://github.com/celery/celery/issues/4354).
    for _ in fetched.listen():
        if notes.llen("celery") <= COUNT - FETCHED:
            break
else:
    started = notes.scard("started")
    lost = started - notes.scard("finished")
    held = COUNT - started - notes.llen("celery")
    hours = app.connection().default_channel.visibility_timeout / 3600
    print(lost, "of", COUNT, "tasks" + (f", {held} held for {hours:g} h" if held else ""))

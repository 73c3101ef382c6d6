"""A Celery application. Its task records its start and its end in Redis.

A task ends a second after the worker was asked to stop, so each stop finds the first tasks at work. If one of them ended
before the stop, Celery would fetch another task, and can lose a task that it fetches during the stop, under any init: it
drops data of Redis that it has not read yet (https://github.com/celery/celery/issues/4354).
"""

import sys
import time

import celery
import redis

app = celery.Celery("tasks", broker="redis://127.0.0.1:6379/0")
notes = redis.Redis()


@celery.signals.worker_shutting_down.connect
def stop_has_begun(**_):
    notes.set("stop has begun", 1)


@app.task
def work(number):
    notes.sadd("started", number)
    print("a task is running", file=sys.stderr, flush=True)
    while not notes.exists("stop has begun"):
        time.sleep(0.05)
    time.sleep(1)
    notes.sadd("finished", number)

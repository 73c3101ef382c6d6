"""A Celery application. Its task takes two seconds; Redis is told that it has started, and that it has finished."""

import sys
import time

import celery
import redis

app = celery.Celery("tasks", broker="redis://127.0.0.1:6379/0")
notes = redis.Redis()


@app.task
def work(number):
    notes.sadd("started", number)
    print("a task is running", file=sys.stderr, flush=True)
    time.sleep(2)
    notes.sadd("finished", number)

"""The Celery application. Its only task takes two seconds, and records its start and its end in redis."""

import sys
import time

import celery
import settings

app = celery.Celery("orders", broker=settings.REDIS_URL)
app.config_from_object("celeryconfig")


@app.task
def fulfil(order):
    settings.STORE.sadd("orders:begun", order)
    print("a task is running", file=sys.stderr, flush=True)
    time.sleep(2)
    settings.STORE.sadd("orders:done", order)

"""The Celery application. Its one task takes two seconds; redis is told that it has begun, and that it is done."""

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

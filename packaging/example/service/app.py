"""Takes orders: POST /orders, and GET /report, which is slow. /health and /alive are for health checks."""

import hashlib
import hmac
import os
import sys
import time
import uuid

import flask
import kombu.exceptions
import redis
import settings
import tasks

REPORT_SECONDS = float(os.environ.get("REPORT_SECONDS", "0.5"))

app = flask.Flask(__name__)


@app.before_request
def note():
    # One write, because the measurements count these lines.
    if flask.request.path in ("/orders", "/report"):
        sys.stderr.write("a request is being handled\n")
        sys.stderr.flush()


@app.post("/orders")
def take_order():
    """Answers after redis has the task, so that an answered order is not lost."""
    order = uuid.uuid4().hex
    try:
        tasks.fulfil.delay(order)
    except (kombu.exceptions.OperationalError, redis.RedisError):
        return {"error": "redis does not answer"}, 503
    receipt = hmac.new(settings.SIGNING_KEY, order.encode(), hashlib.sha256).hexdigest()
    return {"order": order, "receipt": receipt}, 202


@app.get("/report")
def report():
    time.sleep(REPORT_SECONDS)
    return {"report": "done"}


@app.get("/health")
def health():
    """Tells whether the service can do its work, for health checks and readiness."""
    try:
        settings.STORE.ping()
    except redis.RedisError:
        return {"redis": "does not answer"}, 503
    return {"redis": "answers"}


@app.get("/alive")
def alive():
    """Tells whether the process answers, for liveness. It ignores redis, which a restart of the service would not bring back."""
    return {}

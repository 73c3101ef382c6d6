"""The settings from outside: the address of redis, and a secret."""

import os
import sys

import redis

REDIS_URL = os.environ.get("REDIS_URL", "redis://redis:6379/0")
SECRET_FILE = os.environ.get("SIGNING_KEY_FILE", "/run/secrets/signing_key")


def read_secret():
    """Reads the secret from a file, as Compose, Swarm and Kubernetes mount it, or from the environment. It is required."""
    try:
        with open(SECRET_FILE, encoding="utf-8") as file:
            key = file.read().strip()
    except FileNotFoundError:
        key = os.environ.get("SIGNING_KEY", "")
    except OSError as error:
        sys.exit(f"orders: cannot read the secret {SECRET_FILE}: {error.strerror}")
    if not key:
        sys.exit(f"orders: no secret: neither the file {SECRET_FILE} nor SIGNING_KEY in the environment has one")
    return key.encode()


SIGNING_KEY = read_secret()
# With timeouts, so that a redis that does not answer cannot hang a health check or a request.
STORE = redis.Redis.from_url(REDIS_URL, socket_timeout=2, socket_connect_timeout=2)

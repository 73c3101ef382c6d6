"""The health check: `health.py web`, `health.py alive` or `health.py worker`. It prints one line, and exits with 0 or 1."""

import sys
import urllib.request


def ask(path):
    with urllib.request.urlopen("http://127.0.0.1:8000" + path, timeout=4) as answer:
        return answer.status == 200


def ping():
    import settings

    return settings.STORE.ping()


CHECKS = {"web": lambda: ask("/health"), "alive": lambda: ask("/alive"), "worker": ping}
try:
    healthy = CHECKS[sys.argv[1]]()
except Exception as error:  # Every error is one line instead of a traceback.
    sys.exit(f"unhealthy: {error}")
sys.exit(0 if healthy else "unhealthy")

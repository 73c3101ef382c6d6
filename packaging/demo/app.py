"""A WSGI application. It answers / at once, and /slow after SECONDS, or half a second if that is not set."""

import os
import sys
import time

SECONDS = float(os.environ.get("SECONDS", "0.5"))


def application(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        # One write with a flush, because the demos wait for these lines and count them.
        sys.stderr.write("a request is being handled\n")
        sys.stderr.flush()
        time.sleep(SECONDS)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"done\n"]

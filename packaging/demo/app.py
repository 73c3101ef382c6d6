"""A WSGI application: / is answered at once, /slow after half a second, or SECONDS if that is set."""

import os
import sys
import time

SECONDS = float(os.environ.get("SECONDS", "0.5"))


def application(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        # One write, flushed: the demonstrations wait for these lines, and demo-stop counts them afterwards.
        sys.stderr.write("a request is being handled\n")
        sys.stderr.flush()
        time.sleep(SECONDS)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"done\n"]

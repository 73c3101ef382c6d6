"""A WSGI application: / is answered at once, /slow after half a second."""

import sys
import time


def application(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        # One write, flushed: demo-stop waits for these lines, and counts them afterwards.
        sys.stderr.write("a request is being handled\n")
        sys.stderr.flush()
        time.sleep(0.5)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"done\n"]

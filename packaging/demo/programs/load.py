"""Clients of a web server that is going to be stopped. Each asks for /slow, always on a new connection.

  load.py balancer PORT    ten requests a second, as from a load balancer that takes two seconds to notice that a server
                           is going: SIGUSR1 tells it that the stop begins, and it goes on for two seconds. It counts
                           what was sent since then or had no answer yet.
  load.py burst PORT       ten requests at once

At the end they print how many requests had no good answer, and of how many.
"""

import http.client
import signal
import sys
import threading
import time

requests = []
stop = threading.Event()


class Request(threading.Thread):
    def __init__(self):
        super().__init__()
        self.good = False
        requests.append(self)
        self.start()

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", "/slow")
            response = connection.getresponse()
            self.good = response.status == 200 and response.read() == b"done\n"
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
            self.answered_after_stop = stop.is_set()


def balancer():
    signal.signal(signal.SIGUSR1, lambda *_: stop.set())
    end = None
    while not end or time.monotonic() < end:
        Request()
        time.sleep(0.1)
        if stop.is_set() and not end:
            end = time.monotonic() + 2


def burst():
    stop.set()
    for _ in range(10):
        Request()


port = int(sys.argv[2])
{"balancer": balancer, "burst": burst}[sys.argv[1]]()
for request in requests:
    request.join()
counted = [request for request in requests if request.answered_after_stop]
print(sum(not request.good for request in counted), "of", len(counted))

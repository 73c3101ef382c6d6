"""Clients of a web server that is going to stop. Each client requests /slow, always on a new connection.

  load.py balancer PORT    sends ten requests a second, like a load balancer that notices the stop of a server two seconds
                           late. SIGUSR1 marks the begin of the stop, and the client goes on for two seconds. It counts the
                           requests that were sent since then or had no answer yet.
  load.py burst PORT       sends ten requests at once

At the end, both print the number of requests without a good answer, and the number of all that count.
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

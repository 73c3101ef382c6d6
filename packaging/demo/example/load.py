"""The load for the service of packaging/example, in its network.

  load.py burst COUNT       sends COUNT orders, one after the other, and prints the number of accepted orders
  load.py until-gone        requests reports in a loop, four at a time, until the service is gone, and prints the number of
                            answers
  load.py balancer SECONDS  sends ten requests a second, reports and orders by turns, like a load balancer that notices the
                            stop of a server SECONDS late. SIGUSR1 marks the begin of the stop, and the load goes on for
                            SECONDS. It prints the number of requests without a good answer, the number of requests that
                            were sent since SIGUSR1 or had no answer yet, and the number of all accepted orders.
"""

import http.client
import signal
import sys
import threading
import time


def ask(method, path):
    connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=60)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        answer.read()
        return answer.status in (200, 202)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def burst(count):
    print(sum(ask("POST", "/orders") for _ in range(int(count))))


def until_gone():
    counts = [0] * 4

    def client(number):
        while ask("GET", "/report"):
            counts[number] += 1

    clients = [threading.Thread(target=client, args=(number,)) for number in range(len(counts))]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    print(sum(counts))


def balancer(seconds):
    stop = threading.Event()
    requests = []

    class Request(threading.Thread):
        def __init__(self, method, path):
            super().__init__()
            self.order = method == "POST"
            self.words = method, path
            requests.append(self)
            self.start()

        def run(self):
            self.good = ask(*self.words)
            self.answered_after_stop = stop.is_set()

    signal.signal(signal.SIGUSR1, lambda *_: stop.set())
    end = None
    turns = [("GET", "/report"), ("POST", "/orders")]
    while not end or time.monotonic() < end:
        Request(*turns[len(requests) % 2])
        time.sleep(0.1)
        if stop.is_set() and not end:
            end = time.monotonic() + float(seconds)
    for request in requests:
        request.join()
    counted = [request for request in requests if request.answered_after_stop]
    orders = sum(request.order and request.good for request in requests)
    print(sum(not request.good for request in counted), "of", len(counted), "and", orders, "orders")


{"burst": burst, "until-gone": until_gone, "balancer": balancer}[sys.argv[1]](*sys.argv[2:])

"""Sends requests to http://127.0.0.1:8000 as long as it runs: three threads ask for /, at most twenty times a second each, and one for /slow.

At SIGTERM it prints the number of answered and of failed requests, and the errors.
"""

import collections
import http.client
import signal
import threading

done = threading.Event()
answered, failed = collections.Counter(), collections.Counter()


def ask(path):
    connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=30)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        if response.status == 200 and response.read() == b"done\n":
            answered[threading.get_ident()] += 1
        else:
            failed[f"status {response.status}"] += 1
    except (OSError, http.client.HTTPException) as error:
        failed[repr(error)] += 1
    finally:
        connection.close()


def ask_again(path, pause):
    while not done.wait(pause):
        ask(path)


signal.signal(signal.SIGTERM, lambda *_: done.set())
clients = [threading.Thread(target=ask_again, args=("/", 0.05)) for _ in range(3)]
clients.append(threading.Thread(target=ask_again, args=("/slow", 0.05)))
for client in clients:
    client.start()
for client in clients:
    client.join()
print(sum(answered.values()), sum(failed.values()), dict(failed), flush=True)

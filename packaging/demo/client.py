"""Requests http://127.0.0.1:8000/slow in a loop, two requests at a time, until the server is gone.

Prints the number of requests that were answered.
"""

import http.client
import threading


def answered():
    connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=30)
    try:
        connection.request("GET", "/slow")
        response = connection.getresponse()
        return response.status == 200 and response.read() == b"done\n"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def ask_until_gone(counts):
    count = 0
    while answered():
        count += 1
    counts.append(count)


counts = []
clients = [threading.Thread(target=ask_until_gone, args=(counts,)) for _ in range(2)]
for client in clients:
    client.start()
for client in clients:
    client.join()
print(sum(counts))

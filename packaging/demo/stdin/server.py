"""A JSON-RPC server that answers each line of its standard input. It outlives its client, because a thread of it goes on."""

import json
import signal
import sys
import threading

stopped = threading.Event()
# Not an exit: the index is closed first.
signal.signal(signal.SIGTERM, lambda number, frame: stopped.set())


def answer():
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": {"method": request["method"]}}), flush=True)
    # The end of the file ends this thread alone.


def keep_index():
    while not stopped.wait(timeout=0.1):
        pass


threading.Thread(target=answer, daemon=True).start()
keep_index()
print("the index is closed", file=sys.stderr)

"""A proxy in front of a server: python counting_proxy.py PORT; it answers each line with the bytes sent."""

import contextlib
import socket
import sys
import threading

sent = 0


def pass_on(source, target, counts):
    global sent
    with contextlib.suppress(OSError):
        while block := source.recv(1 << 16):
            sent += counts * len(block)
            target.sendall(block)
        target.shutdown(socket.SHUT_WR)


def accept(listener):
    while True:
        ours, _ = listener.accept()
        theirs = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
        for source, target, counts in ((ours, theirs, True), (theirs, ours, False)):
            threading.Thread(target=pass_on, args=(source, target, counts), daemon=True).start()


listening = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=accept, args=(listening,), daemon=True).start()
print(listening.getsockname()[1], flush=True)
for _ in sys.stdin:
    print(sent, flush=True)

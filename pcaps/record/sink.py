"""Takes one TCP connection and reads it to its end."""

import socket
import sys

address, port = sys.argv[1], int(sys.argv[2])
with socket.create_server((address, port)) as server:
    connection, _ = server.accept()
    with connection:
        while connection.recv(65536):
            pass

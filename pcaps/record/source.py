"""Sends so many bytes over one TCP connection and waits until the other end has closed it."""

import socket
import sys

address, port, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with socket.create_connection((address, port)) as connection:
    connection.sendall(bytes(index & 0xFF for index in range(size)))
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(65536):
        pass

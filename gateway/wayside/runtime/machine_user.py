"""Who somebody is on this machine, whatever he calls himself. Imports nothing of the gateway."""

import pwd
import socket
import struct

_CREDENTIALS = struct.Struct("3i")  # process, user, group: unix(7), SO_PEERCRED


def user_name(uid: int) -> str:
    """Of this machine's user, whatever the environment calls him."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def peer_name(connection: socket.socket) -> str:
    """Whose program is at the other end of a Unix socket, as the kernel says it."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return user_name(_CREDENTIALS.unpack(data)[1])

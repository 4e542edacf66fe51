"""An SFTP server for one key, on loopback: HOST_KEY AUTHORIZED_KEYS PORT [BYTES].

With BYTES the server dies in the middle of the file that would take it past so many bytes of answers.
"""

from __future__ import annotations

import asyncio
import os
import sys

import asyncssh


class Dying(asyncssh.SFTPServer):
    """Ends the whole process when its bytes are used up, as a machine that loses its power would."""

    left = 0

    def read(self, file_obj, offset, size):
        answer = super().read(file_obj, offset, size)
        Dying.left -= len(answer)
        if Dying.left < 0:
            os._exit(1)
        return answer


async def serve(host_key: str, authorized: str, port: str, limit: str = "") -> None:
    Dying.left = int(limit or 0)
    server = await asyncssh.listen(
        "127.0.0.1",
        int(port),
        server_host_keys=[host_key],
        authorized_client_keys=authorized,
        sftp_factory=Dying if limit else True,
    )
    print(f"listening on 127.0.0.1:{server.get_port()}", flush=True)
    await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))

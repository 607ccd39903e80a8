"""`python -m lmstrix_site.supervisor.web FD`: uvicorn on a socket that the supervisor already listens on.

The supervisor keeps the socket while this process is started again, so a browser waits a moment instead of being
refused, and nobody else can take the port in between.
"""

import os
import socket
import sys

import uvicorn


def main() -> None:
    listener = socket.socket(fileno=int(sys.argv[1]))
    config = uvicorn.Config(
        "lmstrix_site.asgi:application",
        access_log=False,  # request lines would carry the keys of login links
        log_config=None,  # Django's settings say how to log
        lifespan="off",
        server_header=False,
        proxy_headers=bool(os.environ.get("LMSTRIX_PUBLIC_URL")),  # only then a proxy is expected
        timeout_graceful_shutdown=3,  # open event streams would keep it alive
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()

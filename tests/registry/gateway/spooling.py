"""`python -m tests.registry.gateway.spooling FOLDER NOTES`: a process that spools requests until it is killed.

It notes in a file of its own what a client could know (b: forwarded, c: tokens seen, e: the last byte came), and what a
database would hold (r). Eight requests are open at any time; segments are small, so that many come and go.
"""

import os
import sys
import threading
import time
from pathlib import Path
from random import Random
from uuid import UUID, uuid4

from registry.gateway.spool import Spool


def main(folder: Path, notes: Path) -> None:
    file = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    spool = Spool(folder, max_bytes=2**20)
    threading.Thread(target=keep, args=(spool, file), daemon=True).start()
    chance, waiting = Random(os.getpid()), list[UUID]()
    while True:
        if len(waiting) < 8:
            uuid = uuid4()
            if spool.begin(uuid, {"model_key": "m", "started": "2026-01-01T00:00:00+00:00"}):
                os.write(file, f"b {uuid.hex} 0\n".encode())
                waiting.append(uuid)
            continue
        uuid = waiting[chance.randrange(8)]
        tokens = chance.randrange(1, 1_000)
        if chance.random() < 0.5:
            spool.checkpoint(uuid, {"tokens_out": tokens})
            os.write(file, f"c {uuid.hex} {tokens}\n".encode())
        else:
            spool.end(uuid, {"tokens_out": tokens, "outcome": "ok"})
            os.write(file, f"e {uuid.hex} {tokens}\n".encode())
            waiting.remove(uuid)


def keep(spool: Spool, file: int) -> None:
    """What the writer does, with a file for a database."""
    while True:
        for entry in spool.take(50):
            os.write(file, f"r {entry.uuid.hex} {entry.fields['tokens_out']}\n".encode())
        spool.settle()
        time.sleep(0.001)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

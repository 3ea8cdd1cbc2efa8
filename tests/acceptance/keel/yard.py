"""The machines of `keel`: SSH servers on loopback, which its verbs switch on and off over `yard.sock`.

The first process ends when they listen; the second one is the yard.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncssh


async def handle(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Run a command on the machine."""
    child = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        process.command or "true",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    out, err = await child.communicate()
    process.stdout.write(out)
    process.stderr.write(err)
    process.exit(child.returncode or 0)


async def main(size: int, key: str, ready: int) -> None:
    """Serve until `{"end": true}`."""
    user, host = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    user.write_private_key(key)
    Path(key).chmod(0o600)
    machines: dict[str, Any] = {f"n{11 + number}": None for number in range(size)}
    ports = dict.fromkeys(machines, 0)
    database, ended = False, asyncio.Event()
    allowed = asyncssh.import_authorized_keys(user.export_public_key().decode())

    logins: dict[str, list[Any]] = {}

    async def on(name: str) -> None:
        class Machine(asyncssh.SSHServer):
            def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
                logins.setdefault(name, []).append(conn)

        machines[name] = await asyncssh.listen(
            "127.0.0.1",
            ports[name],
            server_host_keys=[host],
            authorized_client_keys=allowed,
            process_factory=handle,
            server_factory=Machine,
            encoding=None,
            reuse_address=True,
        )
        ports[name] = machines[name].get_port()

    def off(name: str) -> None:
        if machines[name] is not None:
            machines[name].close()
            for connection in logins.pop(name, []):
                connection.abort()
        machines[name] = None

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal database
        request = json.loads(await reader.readline())
        for name in machines:
            off(name) if request.get("power") == "off" else None
            if request.get("power") == "on" and name not in request.get("without", ()) and machines[name] is None:
                await on(name)
        database = request.get("db", database and request.get("power") != "off")
        seen = {"on": [name for name, one in machines.items() if one is not None], "db": database}
        writer.write(json.dumps(ports if "without" in request else seen).encode() + b"\n")
        await writer.drain()
        writer.close()
        if request.get("end"):
            ended.set()

    for name in machines:  # each gets its port for good
        await on(name)
        off(name)
    async with await asyncio.start_unix_server(answer, "yard.sock"):
        os.write(ready, b"ready")
        os.close(ready)
        await ended.wait()
    for name in machines:
        off(name)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        read, write = os.pipe()
        with Path("yard.log").open("ab") as log:
            argv = [sys.executable, *sys.argv, str(write)]
            subprocess.Popen(
                argv, pass_fds=[write], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        os.close(write)
        sys.exit(0 if os.read(read, 5) else "the yard did not open; see yard.log")
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))

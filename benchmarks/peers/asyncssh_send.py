"""A file by asyncssh and SFTP, 100 concurrent connections: HOSTS FILE TO PORT USER KEY"""

import asyncio
import sys
from pathlib import Path

import asyncssh

hosts, file, to, port, user, key_file = sys.argv[1:]
options = {
    "port": int(port),
    "username": user,
    "client_keys": [asyncssh.read_private_key(key_file)],
    "known_hosts": None,
    "config": None,
    "agent_path": None,
    "login_timeout": 300,
}


async def send(host: str, turnstile: asyncio.Semaphore) -> None:
    async with turnstile, asyncssh.connect(host, **options) as connection, connection.start_sftp_client() as sftp:
        await sftp.put(file, to)


async def main() -> None:
    turnstile = asyncio.Semaphore(100)
    await asyncio.gather(*(send(host, turnstile) for host in Path(hosts).read_text().split()))


asyncio.run(main())

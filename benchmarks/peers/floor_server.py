"""The least that hosts can do: PKI PORT ADDRESS…

One process for each address, forked as the agents of a fleet are. It takes one command for each connection, by mutual
TLS 1.3, runs it and sends its output: no journal, no limits, no shims. Each prints ``ready``; all end
with standard input.
"""

import asyncio
import gc
import json
import os
import signal
import ssl
import sys
from pathlib import Path

pki, port, *addresses = sys.argv[1:]


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    command = json.loads(await reader.readline())
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    writer.write(json.dumps([process.returncode, output.decode()]).encode() + b"\n")
    await writer.drain()
    writer.close()


async def serve(address: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(Path(pki, "ca.pem"))
    context.load_cert_chain(Path(pki, "agent.pem"), Path(pki, "agent.key"))
    async with await asyncio.start_server(answer, address, int(port), ssl=context) as server:
        print("ready", flush=True)
        await server.serve_forever()


gc.freeze()
children = []
for address in addresses:
    child = os.fork()
    if not child:
        asyncio.run(serve(address))
    children.append(child)
sys.stdin.read()
for child in children:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)

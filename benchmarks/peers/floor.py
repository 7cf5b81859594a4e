"""echo hello by asyncio, 100 concurrent connections, on hosts that do no more than they must: HOSTS PORT PKI"""

import asyncio
import json
import ssl
import sys
from pathlib import Path

hosts, port, pki = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.load_verify_locations(Path(pki, "ca.pem"))
context.load_cert_chain(Path(pki, "controller.pem"), Path(pki, "controller.key"))


async def run(host: str, turnstile: asyncio.Semaphore) -> None:
    async with turnstile:
        reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
        writer.write(json.dumps("echo hello").encode() + b"\n")
        print(json.loads(await reader.readline())[1], end="")
        writer.close()


async def main() -> None:
    turnstile = asyncio.Semaphore(100)
    await asyncio.gather(*(run(host, turnstile) for host in Path(hosts).read_text().split()))


asyncio.run(main())

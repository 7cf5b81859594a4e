"""The least that an agent can do: PORT CA CERTIFICATE KEY.

Mutual TLS 1.3, one JSON object a line. It runs each script with /bin/sh and answers with exit code and output, many
concurrently on one connection. No journal, no limits, no shims. Prints ``ready``; ends with standard input.
"""

import asyncio
import json
import ssl
import sys


async def answer(writer: asyncio.StreamWriter, request: dict) -> None:
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", request["script"]),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    output, errors = await process.communicate()
    result = [request["id"], process.returncode, output.decode(), errors.decode()]
    writer.write(json.dumps(result).encode() + b"\n")


async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    under_way = set()
    while line := await reader.readline():
        task = asyncio.create_task(answer(writer, json.loads(line)))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    writer.close()


async def main(port: str, authority: str, certificate: str, key: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority)
    context.load_cert_chain(certificate, key)
    async with await asyncio.start_server(converse, "127.0.0.1", int(port), ssl=context):
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main(*sys.argv[1:]))

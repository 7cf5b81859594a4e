"""echo hello by paramiko and 32 threads: HOSTS PORT USER KEY"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import paramiko

hosts, port, user, key_file = sys.argv[1:]
key = paramiko.Ed25519Key.from_private_key_file(key_file)


def run(host: str) -> str:
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect(
            host,
            int(port),
            user,
            pkey=key,
            allow_agent=False,
            look_for_keys=False,
            banner_timeout=300,
            auth_timeout=300,
        )
        return client.exec_command("echo hello")[1].read().decode()


with ThreadPoolExecutor(32) as pool:
    for output in pool.map(run, Path(hosts).read_text().split()):
        print(output, end="")

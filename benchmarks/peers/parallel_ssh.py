"""echo hello by parallel-ssh (libssh2), 100 concurrent connections: HOSTS PORT USER KEY"""

import sys
from pathlib import Path

from pssh.clients import ParallelSSHClient

hosts, port, user, key_file = sys.argv[1:]
client = ParallelSSHClient(Path(hosts).read_text().split(), user=user, port=int(port), pkey=key_file, pool_size=100)
for output in client.run_command("echo hello"):
    for line in output.stdout:
        print(line)

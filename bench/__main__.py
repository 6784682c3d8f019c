"""All benchmarks, one after the other: `make bench`. Each prints a Markdown table; bench/RESULTS.md
keeps those worth keeping.
"""

import os
import platform
import subprocess
import sys
import time

BENCHMARKS = (
    ("Stamp and sign", ["bench.sign"]),
    ("The relay beside Postfix with opendkim", ["bench.relay"]),
    ("What the relay adds to the time of one mail", ["bench.latency"]),
    ("Clicks", ["bench.clicks"]),
    ("Webhooks", ["bench.webhooks"]),
    ("The store", ["bench.store"]),
    ("The state of a million recipients", ["bench.state"]),
)


def main() -> int:
    """Run them all; 1 when one of them failed."""
    print(
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, {platform.machine()}, CPython"
        f" {platform.python_version()}\n",
        flush=True,
    )
    failed = 0
    for title, command in BENCHMARKS:
        print(f"## {title}\n", flush=True)
        failed |= subprocess.run([sys.executable, "-m", *command], check=False).returncode != 0
        print(flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())

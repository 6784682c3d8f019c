"""What the relay adds to the time of one mail on a machine that has nothing else to do.

    python -m bench.latency [--mails 500] [--octets 10240]

One client with one open session each way sends mail after mail, in turn straight to the sink and by
way of the relay, where each is stamped and signed. What is added is all that the way through the
relay costs: its store's answer and the second hop are in it.
"""

import argparse
import smtplib
import statistics
import time
from contextlib import ExitStack

from app.settings import first_run
from bench.peers import sink
from bench.processes import end_on_sigterm, need
from bench.relay import RECIPIENT, SENDER, folder_in, running_relay, write_mail
from tests.support.ports import free_port

_WARM_UP = 20


def main() -> None:
    """Measure, and print a Markdown table."""
    options = _options()
    need({"smtp-sink": "postfix"})
    end_on_sigterm()
    with ExitStack() as stack:
        folder = folder_in(stack, None)
        first_run.prepare(folder / "state")
        content = write_mail(folder, options.octets).read_bytes().replace(b"\n", b"\r\n")
        port = free_port()
        stack.enter_context(sink(folder, port))
        relay, _ = stack.enter_context(running_relay(folder / "state", port))
        straight, through = (stack.enter_context(_client(to)) for to in (port, relay.port))
        pairs = [
            (_milliseconds(straight, content), _milliseconds(through, content))
            for _ in range(_WARM_UP + options.mails)
        ][_WARM_UP:]
    before, after = (sorted(times) for times in zip(*pairs, strict=True))
    added = [there - here for here, there in pairs]
    print(f"{options.octets} octets, one session, {options.mails} mails each way in turn.\n")
    print("| | median ms | 95 of 100 below, ms |")
    print("| --- | --- | --- |")
    for name, times in (
        ("straight to the sink", before),
        ("by way of the relay", after),
        ("added", sorted(added)),
    ):
        print(f"| {name} | {statistics.median(times):.2f} | {times[len(times) * 95 // 100]:.2f} |")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.latency")
    parser.add_argument("--mails", type=int, default=500)
    parser.add_argument("--octets", type=int, default=10240)
    return parser.parse_args()


def _client(port: int) -> smtplib.SMTP:
    return smtplib.SMTP("127.0.0.1", port, local_hostname="client.example")


def _milliseconds(client: smtplib.SMTP, content: bytes) -> float:
    began = time.perf_counter()
    client.sendmail(SENDER, [RECIPIENT], content)
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    main()

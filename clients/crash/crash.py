"""Sends, receives and deletes with boto3, kills the server with SIGKILL in the middle, starts it again,
and looks for every message: crash.py [ROUNDS]. One line for each round, then the counts.

Nothing acknowledged may be lost, no acknowledged delete may come back, and no message may appear that was
never sent. A send or delete that was in the air when the server died may have happened or not."""

import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

ROOT = pathlib.Path(__file__).resolve().parents[2]
SLUICE = os.environ.get("SLUICE_BIN", str(ROOT / "target/release/sluice"))
SENDERS, CONSUMERS = 4, 2
# Seconds a received message stays hidden: longer than a delete takes, for an outdated handle deletes nothing.
HIDDEN = 4


class Server:
    """One process on the data directory; the port changes from start to start."""

    def __init__(self, data, log):
        command = [SLUICE, "serve", "--listen", "127.0.0.1:0", "--data", str(data)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("sluice ready on "), f"not ready: {line!r}"
        self.endpoint = line.removeprefix("sluice ready on ").strip()

    def client(self):
        config = Config(retries={"max_attempts": 0}, connect_timeout=5, read_timeout=30)
        return boto3.client(
            "sqs",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=config,
        )

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        assert self.process.wait() == -signal.SIGKILL

    def stop(self):
        self.process.terminate()
        assert self.process.wait(20) == 0, "a clean stop must end with 0"


class Ledger:
    """What the clients know: bodies tried and acknowledged, deletes tried and acknowledged."""

    def __init__(self):
        self.lock = threading.Lock()
        self.tried, self.sent, self.deleting, self.deleted = set(), set(), set(), set()

    def add(self, kind, bodies):
        with self.lock:
            kind.update(bodies)


def sender(server, url, ledger, name):
    sqs, number = server.client(), 0
    while True:
        bodies = [f"{name}-{number + i}" for i in range(1 if number % 3 else 10)]
        number += len(bodies)
        ledger.add(ledger.tried, bodies)
        try:
            if len(bodies) == 1:
                send_one(sqs, url, bodies[0])
                done = bodies
            else:
                done = send_batch(sqs, url, bodies)
        except (BotoCoreError, ClientError):
            return  # the server is gone
        ledger.add(ledger.sent, done)


def more_of(url, body):
    if not url.endswith(".fifo"):
        return {}
    return {"MessageGroupId": body.rsplit("-", 1)[0], "MessageDeduplicationId": body}


def send_one(sqs, url, body):
    sqs.send_message(QueueUrl=url, MessageBody=body, **more_of(url, body))


def send_batch(sqs, url, bodies):
    entries = [{"Id": str(i), "MessageBody": body, **more_of(url, body)} for i, body in enumerate(bodies)]
    reply = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    return [bodies[int(one["Id"])] for one in reply.get("Successful", [])]


def delete(sqs, url, messages):
    entries = [{"Id": str(i), "ReceiptHandle": one["ReceiptHandle"]} for i, one in enumerate(messages)]
    reply = sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    return [messages[int(one["Id"])]["Body"] for one in reply.get("Successful", [])]


def consumer(server, url, ledger):
    sqs = server.client()
    while True:
        try:
            messages = sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1, VisibilityTimeout=HIDDEN
            ).get("Messages", [])
            # About half is deleted; the rest comes back when its visibility timeout ends. Of a FIFO
            # group's messages, a prefix: what is behind waits for it.
            doomed = messages[: random.randint(0, len(messages))]
            if doomed:
                ledger.add(ledger.deleting, [one["Body"] for one in doomed])
                ledger.add(ledger.deleted, delete(sqs, url, doomed))
        except (BotoCoreError, ClientError):
            return


def load_then_kill(server, urls, ledgers, round):
    threads = []
    for url, ledger in zip(urls, ledgers):
        for i in range(SENDERS):
            name = f"{round}-{i}"
            threads.append(threading.Thread(target=sender, args=(server, url, ledger, name)))
        threads += [threading.Thread(target=consumer, args=(server, url, ledger)) for _ in range(CONSUMERS)]
    for thread in threads:
        thread.start()
    time.sleep(random.uniform(0.3, 2.0))
    server.kill()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a client hangs"


def drain(sqs, url, seconds=60):
    """Everything in the queue, each once or more, in order of arrival."""
    found, until = [], time.monotonic() + seconds
    last = time.monotonic()
    while time.monotonic() - last < HIDDEN + 2:
        assert time.monotonic() < until, f"the queue does not drain: {len(found)} so far"
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=2).get("Messages", [])
        found += [one["Body"] for one in messages]
        if messages:
            assert len(delete(sqs, url, messages)) == len(messages)
            last = time.monotonic()
    return found


def check(url, ledger, found):
    """The wrongs, in words."""
    seen = set(found)
    wrongs = []
    # A delete in the air may have happened: such a message may be there or not.
    if lost := ledger.sent - ledger.deleting - seen:
        wrongs.append(f"{len(lost)} acknowledged messages lost, among them {sorted(lost)[:3]}")
    if back := ledger.deleted & seen:
        wrongs.append(f"{len(back)} acknowledged deletes came back, among them {sorted(back)[:3]}")
    if strange := seen - ledger.tried:
        wrongs.append(f"{len(strange)} messages this round did not send, among them {sorted(strange)[:3]}")
    if url.endswith(".fifo"):
        if len(seen) != len(found):
            wrongs.append("a FIFO message was delivered twice")
        for group in {body.rsplit("-", 1)[0] for body in seen}:
            numbers = [int(body.rsplit("-", 1)[1]) for body in found if body.rsplit("-", 1)[0] == group]
            if numbers != sorted(numbers):
                wrongs.append(f"group {group} came out of order")
    return [f"{url.rsplit('/', 1)[1]}: {wrong}" for wrong in wrongs]


def main(rounds):
    wrongs = []
    with tempfile.TemporaryDirectory() as data, tempfile.TemporaryFile("w+") as log:
        directory = pathlib.Path(data) / "data"
        server = Server(directory, log)
        sqs = server.client()
        names = [("plain", {}), ("ordered.fifo", {"FifoQueue": "true"})]
        for name, attributes in names:
            sqs.create_queue(QueueName=name, Attributes=attributes)
        total = 0
        for round in range(rounds):
            sqs = server.client()
            urls = [sqs.get_queue_url(QueueName=name)["QueueUrl"] for name, _ in names]
            ledgers = [Ledger() for _ in urls]
            load_then_kill(server, urls, ledgers, round)
            started = time.monotonic()
            server = Server(directory, log)
            ready = time.monotonic() - started
            sqs = server.client()
            urls = [sqs.get_queue_url(QueueName=name)["QueueUrl"] for name, _ in names]
            with ThreadPoolExecutor() as drains:
                found = list(drains.map(lambda url: drain(sqs, url), urls))
            for url, ledger, bodies in zip(urls, ledgers, found):
                wrongs += check(url, ledger, bodies)
            counts = [len(set.union(*(getattr(one, kind) for one in ledgers))) for kind in ("sent", "deleted")]
            total += counts[0]
            print(f"crash: round {round}: {counts[0]} sent, {counts[1]} deleted before the kill, ready in {ready:.3f} s")
        server.stop()
        if wrongs:
            log.seek(0)
            sys.stderr.write(log.read()[-4000:])
    for wrong in wrongs:
        print("WRONG:", wrong)
    assert total > 0, "nothing was sent"
    failed = min(len(wrongs), rounds)
    print(f"crash: {rounds - failed} passed, {failed} failed")
    return 1 if wrongs else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))

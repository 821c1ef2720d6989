#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of the built daemon as it is run: readiness, recovery after kill -9, live update, sandbox, log, metrics, limits."""
from __future__ import annotations

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/bench/store"))

from store_client import DIRECTORY, READ, WATCH, WRITE, StoreClient, StoreError  # noqa: E402

PROGRAM = ROOT / "build/bin/tessera-store"
CONTROL, TRANSACTION_START, TRANSACTION_END, INTRODUCE, IS_INTRODUCED = 0, 6, 7, 8, 17
KILLS = 210


class DaemonTest(unittest.TestCase):
    """Each test has its own directory on a tmpfs, with the socket, the state and the log in it."""

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="store-daemon-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.socket = str(self.folder / "socket")
        self.process: subprocess.Popen[bytes] | None = None
        self.addCleanup(self.kill)

    def start(self, *options: str, notify: bool = True) -> None:
        """Starts the daemon and waits until it says that it is ready, as a service manager would."""
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        path = str(self.folder / "notify")
        Path(path).unlink(missing_ok=True)
        manager.bind(path)
        manager.settimeout(60)
        self.process = subprocess.Popen(
            [str(PROGRAM), "--no-domains", "--foreground", "--socket", self.socket, "--state", str(self.folder / "state"),
             "--log", str(self.folder / "log"), *options], env=os.environ | {"NOTIFY_SOCKET": path})
        if notify:
            self.assertEqual(manager.recv(100), b"READY=1")

    def kill(self, number: int = signal.SIGKILL) -> int:
        if self.process is None:
            return 0
        self.process.send_signal(number)
        code = self.process.wait(timeout=60)
        self.process = None
        return code

    def client(self) -> StoreClient:
        client = StoreClient(self.socket)
        self.addCleanup(client.close)
        return client

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def test_life(self) -> None:
        """Ready, two clients, a clean end that leaves no socket."""
        self.start("--pidfile", str(self.folder / "pid"))
        assert self.process is not None
        self.assertEqual(int((self.folder / "pid").read_text()), self.process.pid)
        one, two = self.client(), self.client()
        one.call(WRITE, b"/a\0value")
        self.assertEqual(two.call(READ, b"/a\0"), b"value")
        self.assertEqual(self.kill(signal.SIGTERM), 0)
        self.assertFalse(Path(self.socket).exists())
        self.assertRegex(self.log(), r"level=info event=ready .*\n(.*\n)*.*event=stop")

    def test_wrong_usage(self) -> None:
        for options in (["--log-level", "loud"], ["--bogus"], ["argument"]):
            self.assertEqual(subprocess.run([str(PROGRAM), *options], capture_output=True, check=False).returncode, 2, options)
        second = self.folder / "state"
        self.start()
        again = subprocess.run([str(PROGRAM), "--no-domains", "--foreground", "--socket", str(self.folder / "other"), "--state", str(second)],
                               capture_output=True, text=True, check=False)
        self.assertEqual(again.returncode, 1)
        self.assertIn("another store daemon uses the state directory", again.stderr)

    def test_sandbox(self) -> None:
        """No capability, no way to new ones, and a filter of system calls; also after a live update."""
        self.start()
        assert self.process is not None
        for round_ in range(2):
            status = Path(f"/proc/{self.process.pid}/status").read_text()
            for line in ("CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"):
                self.assertIn(line, status, f"round {round_}")
            self.live_update(self.client())

    def live_update(self, client: StoreClient) -> None:
        for step in (b"live-update\0-f\0" + bytes(PROGRAM) + b"\0", b"live-update\0-s\0-t\0" b"60\0"):
            self.assertEqual(client.call(CONTROL, step), b"OK\0")

    def test_live_update_keeps_the_log_as_it_was_set(self) -> None:
        """An update went back to the file and the level of the command line."""
        self.start()
        client = self.client()
        other = self.folder / "other"
        client.call(CONTROL, b"log\0on\0")
        client.call(CONTROL, b"logfile\0" + bytes(other) + b"\0")
        self.live_update(client)
        self.assertEqual(client.call(CONTROL, b"log\0"), b"level debug\n\0")
        client.call(CONTROL, b"print\0after the update\0")
        self.assertIn("after the update", other.read_text())
        self.assertNotIn("after the update", self.log())
        other.unlink()
        other.mkdir()
        self.live_update(client)
        self.assertEqual(self.client().call(CONTROL, b"check\0"), b"OK\0", "a log that cannot be opened does not end the update")

    def test_live_update_keeps_connections_watches_and_state(self) -> None:
        self.start()
        assert self.process is not None
        pid = self.process.pid
        client, writer = self.client(), self.client()
        writer.call(WRITE, b"/a\0before")
        client.call(WATCH, b"/a\0token\0")
        writer.call(INTRODUCE, b"7\0001\0001\0")
        writer.call(CONTROL, b"quota\0set\0nodes\0001234\0")
        number = int(client.call(TRANSACTION_START, b"\0").rstrip(b"\0"))
        client.call(WRITE, b"/in-transaction\0x", number)
        self.live_update(writer)
        self.assertEqual(client.call(READ, b"/a\0"), b"before")
        self.assertEqual(self.process.poll(), None)
        self.assertEqual(self.process.pid, pid)
        with self.assertRaisesRegex(StoreError, "EAGAIN"):
            client.call(TRANSACTION_END, b"T\0", number)
        seen = client.events
        writer.call(WRITE, b"/a\0after")
        client.call(READ, b"/a\0")
        self.assertEqual(client.events, seen + 1)
        self.assertEqual(writer.call(IS_INTRODUCED, b"7\0"), b"T\0")
        self.assertIn(b"1234 Nodes", writer.call(CONTROL, b"quota\0"))
        self.assertEqual(writer.call(CONTROL, b"check\0"), b"OK\0")

    def test_live_update_to_a_program_that_cannot_run(self) -> None:
        self.start()
        client = self.client()
        text = self.folder / "not-a-program"
        text.write_text("neither binary nor script")
        text.chmod(0o755)
        for step in (b"live-update\0-f\0" + bytes(text) + b"\0", b"live-update\0-s\0"):
            client.call(CONTROL, step)
        client.call(WRITE, b"/still\0here")
        self.assertRegex(self.log(), r"level=error event=live-update-failed cause=.*format error")

    def test_live_update_without_room_for_the_journal(self) -> None:
        """A full file system under the journal: writes are refused, reads and the daemon go on, and so they do after an update was asked
        for, which would have had no way back, and after a kill. With room again, everything works, sandboxed as the daemon is."""
        state = self.folder / "state"
        state.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(state)], check=False, capture_output=True)
        if mounted.returncode != 0:
            self.skipTest(f"a small tmpfs cannot be mounted: {mounted.stderr.decode().strip()}")
        self.addCleanup(subprocess.run, ["umount", "--lazy", str(state)], check=True)
        self.start()
        client = self.client()
        with self.assertRaisesRegex(StoreError, "ENOSPC"):
            for i in range(10000):
                client.call(WRITE, b"/big/%d\0" % i + b"x" * 1000)
        self.live_update(client)
        self.assertEqual(client.call(READ, b"/big/1\0"), b"x" * 1000)
        self.assertRegex(self.log(), "event=live-update-failed cause=\"no room for another journal")
        self.kill()
        self.start()
        client = self.client()
        self.assertEqual(client.call(READ, b"/big/1\0"), b"x" * 1000)
        subprocess.run(["mount", "-o", "remount,size=64m", str(state)], check=True)
        client.call(WRITE, b"/after\0value")
        self.live_update(client)
        self.assertEqual(self.client().call(READ, b"/after\0"), b"value")
        self.assertEqual(client.call(CONTROL, b"check\0"), b"OK\0")

    def test_nothing_acknowledged_is_lost_by_kill_nine(self) -> None:
        """Kills a daemon that has requests of three clients under way, again and again, and reads everything back."""
        seed = random.Random(5)
        expected: dict[bytes, bytes] = {}
        for round_ in range(KILLS // 2):  # two kills in each
            self.start()
            clients = [self.client() for _ in range(3)]
            for path, value in expected.items():
                self.assertEqual(clients[0].call(READ, path + b"\0"), value, f"round {round_}")
            expected = self.write_until_killed(clients, seed, expected, round_)
        self.start()
        reader = self.client()
        for path, value in expected.items():
            self.assertEqual(reader.call(READ, path + b"\0"), value)
        self.assertEqual(reader.call(CONTROL, b"check\0"), b"OK\0")
        self.assertIn("event=recovered", self.log())

    def write_until_killed(self, clients: list[StoreClient], seed: random.Random, expected: dict[bytes, bytes], round_: int) -> dict[bytes, bytes]:
        """Transactions of two nodes that must appear together; the kill comes with the last one under way."""
        for step in range(seed.randrange(5, 60)):
            client = clients[step % len(clients)]
            value = b"%d.%d" % (round_, step) + b"x" * seed.randrange(300)
            pair = {b"/n/%d/left" % (step % 20): value, b"/n/%d/right" % (step % 20): value}
            client.transaction(list(pair.items()))
            expected = expected | pair
        last = clients[0]
        number = int(last.call(TRANSACTION_START, b"\0").rstrip(b"\0"))
        last.batch([(WRITE, number, b"/n/%d\0%d" % (i, round_)) for i in (100, 101)])
        last.send((TRANSACTION_END, number, b"T\0"))
        self.kill()
        self.start()
        reader = self.client()
        values = []
        for i in (100, 101):
            try:
                values.append(reader.call(READ, b"/n/%d\0" % i))
            except StoreError:
                values.append(b"")
        self.assertEqual(values[0], values[1], "half of a transaction")
        self.kill()
        return expected

    def test_metrics_and_debug_log(self) -> None:
        self.start("--metrics", str(self.folder / "metrics"))
        client = self.client()
        client.call(CONTROL, b"log\0on\0")
        client.call(WRITE, b"/a\0quote\" and\nline")
        with self.assertRaises(StoreError):
            client.call(READ, b"/absent\0")
        client.call(CONTROL, b"log\0off\0")
        client.call(READ, b"/a\0")
        with socket.socket(socket.AF_UNIX) as metrics:
            metrics.connect(str(self.folder / "metrics"))
            text = b"".join(iter(lambda: metrics.recv(65536), b"")).decode()
        self.assertIn('tessera_store_requests_total{domain="0",operation="read"} 2\n', text)
        lines = [line for line in self.log().splitlines() if re.search("event=(request|reply) ", line)]
        self.assertIn(r'operation=write transaction=0 payload="/a\x00quote\" and\x0aline"', lines[0])
        self.assertRegex(lines[1], r'event=reply client=\d+ domain=0 via=socket operation=write payload="OK\\x00"$')
        self.assertRegex(lines[3], r'operation=error payload="ENOENT\\x00"$')
        self.assertEqual(len([line for line in lines if "operation=read" in line]), 1)

    def test_log_file_moves_on_hangup(self) -> None:
        self.start()
        assert self.process is not None
        (self.folder / "log").rename(self.folder / "log.old")
        client = self.client()
        self.process.send_signal(signal.SIGHUP)
        client.call(DIRECTORY, b"/\0")  # signals are read in the same loop, at the latest before the next answer
        client.call(CONTROL, b"print\0hello\0")
        client.call(CONTROL, b"print\0again\0")
        self.assertIn('event=print text="again"', self.log())

    def test_bad_clients_hurt_only_themselves(self) -> None:
        self.start()
        good = self.client()
        for garbage in (b"\xff" * 64, b"\x0b\0\0\0" + bytes(8) + b"\xff\xff\xff\xff"):
            bad = socket.socket(socket.AF_UNIX)
            bad.connect(self.socket)
            bad.settimeout(60)
            bad.sendall(garbage)
            self.assertEqual(bad.recv(10), b"", "the connection is closed")
            bad.close()
            good.call(WRITE, b"/good\0" + garbage[:4])

    def test_debian_tools(self) -> None:
        """The stock tools, where they are installed; the system tests run all of them in any case."""
        if shutil.which("xenstore-ls") is None:
            self.skipTest("xenstore-ls is not installed (package xenstore-utils)")
        self.start()
        environment = os.environ | {"XENSTORED_PATH": self.socket}
        for command in (["xenstore-write", "/a/b", "value"], ["xenstore-chmod", "/a/b", "r1"], ["xenstore-rm", "/a/b"]):
            subprocess.run(command, env=environment, check=True)
        listed = subprocess.run(["xenstore-ls", "/"], env=environment, check=True, capture_output=True, text=True).stdout
        self.assertTrue(re.search(r'^a = ""$', listed, re.M), listed)


if __name__ == "__main__":
    unittest.main()

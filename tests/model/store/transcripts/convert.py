#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns a debug log of tessera-store into the transcripts that transcript_test.cpp replays; see README.md beside it."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

LINE = re.compile(r'event=(?P<event>\S+)(?P<fields>(?: \w+=[^" ]+)*)(?: (?:payload|text)=(?P<payload>"(?:[^"\\]|\\.)*"))?$')
HEAD = "# SPDX-License-Identifier: MIT\n# {title}. Recorded and converted as README.md says; `convert.py` explains the lines.\n"


class Converter:
    """
    One line of a transcript for each thing that happened, in the order in which it did:
      > CLIENT OPERATION TRANSACTION "PAYLOAD"   a request; d0 is the ring of domain 0, s7 the seventh local connection
      = OPERATION "PAYLOAD"                      its reply
      ! CLIENT "PAYLOAD"                         a watch event for any client
      - CLIENT                                   a local connection ends
      @ introduce DOMAIN                         the daemon connects the control domain's kernel at its start
      @ ended [shut-down DOMAIN]... [gone DOMAIN]...   what the hypervisor reported
    """

    def __init__(self) -> None:
        self.sections: list[tuple[str, list[str]]] = [("start", [])]
        self._names: dict[str, str] = {}
        self._requester = ""  # who waits for a reply
        self._skipped = ""    # whose reply belongs to a request that is left out

    def _emit(self, text: str) -> None:
        self.sections[-1][1].append(text)

    def _name(self, fields: dict[str, str]) -> str:
        if fields["via"] == "ring":
            return "d" + fields["domain"]
        return self._names.setdefault(fields["client"], f"s{len(self._names) + 1}")

    def _ended(self, what: str) -> None:
        """Joins what the hypervisor reported at once: nothing was heard in between."""
        lines = self.sections[-1][1]
        if lines and lines[-1].startswith("@ ended") and "gone" not in lines[-1]:
            lines[-1] += f" {what}"
        else:
            self._emit(f"@ ended {what}")

    def take(self, event: str, fields: dict[str, str], payload: str) -> None:
        """Converts one line of the log."""
        if event == "request" and fields["operation"] == "control":  # about the daemon, not about the store
            self._skipped = fields["client"]
        elif event == "reply" and fields["client"] == self._skipped:
            self._skipped = ""
        elif event == "request":
            self._requester = self._name(fields)
            self._emit(f"> {self._requester} {fields['operation']} {fields['transaction']} {payload}")
        elif event == "reply":
            self._requester = ""
            self._emit(f"= {fields['operation']} {payload}")
        elif event == "watch-event":
            self._emit(f"! {self._name(fields)} {payload}")
        elif event == "introduced" and not self._requester:
            self._emit(f"@ introduce {fields['domain']}")
        elif event == "shut-down":
            self._ended(f"shut-down {fields['domain']}")
        elif event == "disconnected" and fields["via"] == "ring" and not self._requester:
            self._ended(f"gone {fields['domain']}")
        elif event == "disconnected" and fields["client"] in self._names:
            self._emit(f"- {self._name(fields)}")
        elif event == "print" and payload.startswith('"section '):
            self.sections.append((payload.strip('"').removeprefix("section "), []))


def convert(log: str) -> list[tuple[str, list[str]]]:
    """Sections of the log, each a name and its lines; `xenstore-control print "section NAME"` begins one."""
    converter = Converter()
    for line in log.splitlines():
        match = LINE.search(line.rstrip("\r"))
        if match:
            fields = dict(item.split("=", 1) for item in match["fields"].split())
            converter.take(match["event"], fields, match["payload"] or "")
        elif "event=" in line:
            raise SystemExit(f"convert: not a line of the log: {line}")
    return converter.sections


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", type=Path, help="the debug log, or a console that holds it")
    parser.add_argument("--output", type=Path, required=True, help="directory for the transcripts")
    arguments = parser.parse_args()
    log = arguments.log.read_text(errors="replace")
    sections = [section for section in convert(log) if section[1]]
    for number, (name, lines) in enumerate(sections, 1):
        target = arguments.output / f"{number}-{name}.txt"
        target.write_text(HEAD.format(title=name.replace("-", " ").capitalize()) + "\n".join(lines) + "\n")
        print(f"{target}: {len(lines)} lines", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())

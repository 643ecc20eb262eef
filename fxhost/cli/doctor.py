"""`fxhost doctor`."""

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from fxhost.cli.console import print_json, say

if TYPE_CHECKING:
    from fxhost.io.finding import Finding, Machine

SYSTEMS = {"darwin": "macOS", "win32": "Windows"}


def run_doctor(options: argparse.Namespace) -> int:
    """`fxhost doctor`."""
    from fxhost.io.finding import Machine

    return tell_health(Machine(), as_json=options.json)


def tell_health(machine: "Machine", *, as_json: bool) -> int:
    """Print what the checks of a machine find; return 1 if something is bad, else 0."""
    from fxhost.io.health import examine, name_left_out

    findings, left_out = examine(machine), name_left_out(machine)
    if as_json:
        rows = [asdict(finding) for finding in findings]
        print_json({"platform": machine.platform, "findings": rows, "left_out": left_out})
    else:
        for finding in findings:
            say(format_finding(finding))
        if left_out:
            system = SYSTEMS.get(machine.platform, machine.platform)
            say(f"left out, because they say nothing on {system}: {', '.join(left_out)}")
        say(sum_up(findings))
    return 1 if any(finding.status == "bad" for finding in findings) else 0


def format_finding(finding: "Finding") -> str:
    """A finding as a line: how it stands, what was looked at, what is there, and what to do."""
    advice = f" → {finding.advice}" if finding.advice else ""
    return f"{finding.status:8} {finding.name}: {finding.text}{advice}"


def sum_up(findings: Sequence["Finding"]) -> str:
    """All findings in one line."""
    counts = Counter(finding.status for finding in findings)
    if counts["bad"]:
        return f"{counts['bad']} bad, {counts['warning']} to watch; mend what is bad first"
    if counts["warning"]:
        return f"nothing bad, {counts['warning']} to watch; `fxhost bench --stream` counts dropouts on the device"
    return "nothing that makes sound drop out; `fxhost bench --stream` counts dropouts on the device"

"""What `graphkit tf1 run|check|upgrade` do; `graphkit.commands.tf1` parses their command line."""

import argparse
import json
import sys
from pathlib import Path

from graphkit.tf1.programs import check, running, sources, upgrade

COVERED, NOT_COVERED = 0, 1  # exit codes


def run_program(options: argparse.Namespace) -> int:
    return running.run(options.file, options.arguments, is_module=options.is_module, own=options.own)


def check_path(options: argparse.Namespace) -> int:
    found = check.report(options.path)
    print(json.dumps(found, indent=1) if options.json else check.text_of(found))
    return COVERED if found["summary"]["covered"] else NOT_COVERED


def upgrade_path(options: argparse.Namespace) -> int:
    """Prints the patch, and on the error stream what it leaves to do."""
    for path in sources.files(options.path):
        source = sources.read(path)
        text, by_hand = upgrade.upgraded(source)
        if options.diff or not options.write:
            print(upgrade.diff(source, text), end="")
        if options.write and text != source.original:
            Path(path).write_bytes(text.encode(source.encoding, errors="surrogateescape"))
        for finding in by_hand:
            print(f"{path}:{finding.line}: {finding.message}", file=sys.stderr)
    return 0

"""The command line."""

import argparse
import tempfile
from pathlib import Path

from . import generations, image, locks
from .targets import ARCHITECTURES, PROVIDERS


def main(arguments, description):
    """Locks or builds."""
    parser = argparse.ArgumentParser(
        prog="deploy/providers/build", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", metavar="OUT", type=Path, nargs="?", help="the folder to write to")
    parser.add_argument("--lock", action="store_true", help="write the locks, and build nothing")
    parser.add_argument("--provider", choices=PROVIDERS, action="append", metavar="NAME", help="only this provider")
    parser.add_argument(
        "--architecture", choices=ARCHITECTURES, action="append", metavar="NAME", help="only this: amd64 or arm64"
    )
    options = parser.parse_args(arguments)
    providers = options.provider or PROVIDERS
    if options.lock == (options.out is not None):
        parser.error("give OUT, or --lock")
    if options.lock:
        for provider in providers:
            locks.lock(provider)
        generations.lock()
        return 0
    with tempfile.TemporaryDirectory(prefix="prelit-providers-") as scratch:
        others = generations.generations(scratch)
        for provider in providers:
            for architecture in options.architecture or ARCHITECTURES:
                out = options.out / f"{provider}-{architecture}"
                print(image.build(provider, architecture, others, out), flush=True)
    return 0

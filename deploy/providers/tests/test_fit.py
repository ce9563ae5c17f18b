"""Which libc a process has: by what is mapped into it, with files that stand for musl's."""

import mmap
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.path.append(str(Path(__file__).resolve().parent.parent / "bootstrap"))

from _prelit_bootstrap import fit, settings  # noqa: E402


class Libc(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()
        for patch in (
            # As CPython answers where the C library does not know the name, which is so with musl.
            mock.patch("os.confstr", side_effect=OSError("Invalid argument")),
            mock.patch.object(fit, "MUSL", str(self.folder / "loader-%s")),
        ):
            patch.start()
            self.addCleanup(patch.stop)
        self.loader = Path(fit.MUSL % fit.os.uname()[4])

    def mapped(self, name):
        """A file of this process, until the test has ended."""
        path = self.folder / name
        path.write_bytes(b"\0")
        with path.open("rb") as file:
            self.addCleanup(mmap.mmap(file.fileno(), 1, access=mmap.ACCESS_READ).close)
        return path

    def test_the_loader_has_its_own_name(self):
        self.mapped("ld-musl-x86_64.so.1")
        self.assertEqual(fit.libc(), "musl")

    def test_the_loader_is_a_link(self):
        self.loader.symlink_to(self.mapped("libc.so"))
        self.assertEqual(fit.libc(), "musl")

    def test_musl_is_there_and_this_process_is_not_its(self):
        (self.folder / "libc.so").touch()
        self.loader.symlink_to("libc.so")
        self.mapped("libc.so.6")
        with self.assertRaisesRegex(settings.StayOut, "neither"):
            fit.libc()

    def test_neither(self):
        self.mapped("libc.so")
        with self.assertRaisesRegex(settings.StayOut, "neither"):
            fit.libc()

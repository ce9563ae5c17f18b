"""The tests that need no packages, by each CPython of the machine from 3.8 on: those that run by one Python say nothing of
the others."""

import os
import subprocess
import unittest
from concurrent.futures import ThreadPoolExecutor

from . import prepared
from .real import slow

MODULES = ("laziness", "application_wins", "ending", "versions", "setup")


@slow
class EveryPython(unittest.TestCase):
    def test_by_each(self):
        environment = {name: value for name, value in os.environ.items() if name != "PRELIT_SLOW"}

        def run(program):
            command = [str(program), "-m", "unittest", *("tests.test_" + name for name in MODULES)]
            return program, subprocess.run(
                command, cwd=str(prepared.PROVIDERS), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )

        with ThreadPoolExecutor(2) as pool:
            for program, done in pool.map(run, prepared.pythons(8).values()):
                with self.subTest(python=str(program)):
                    self.assertEqual(done.returncode, 0, done.stdout)

"""Tests of the bootstrap, of the setup script and of the build: plain `unittest`, without dependencies.

    python3 -m unittest discover --start-directory deploy/providers/tests --top-level-directory deploy/providers

Those of the bootstrap are to be run with every CPython that there is; each starts processes of its own.
"""

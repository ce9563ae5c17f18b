"""Stands for the `sitecustomize` of the original's image for OpenLIT: in every Python process, at once, it sets up all that
there is. What does so is a part of OpenLIT, which reads the environment; the original's imports it too.

Left out are the lines that the original's writes to stdout, and what it does when this fails.
"""

import openlit.cli.bootstrap.sitecustomize  # noqa: F401

"""The application's own: it prepares what the application uses."""

import builtins

builtins.prepared = "prepared by its own sitecustomize"

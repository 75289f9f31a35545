"""The command line: ``python -m flows``. One module for each group of commands, all of them clients of the REST API."""

"""WHERE, warm: flow runs start by a fork of a process that has imported everything, not by a new interpreter.

The work pools' ``command`` is ``python -I -S deployments/warm/launch.py``. For each run::

    worker ── launcher ══ socket ══ keeper ── run
                                      │
                                    server

``launch.py``   the launcher is what the worker sees: its pid, its signals, its exit code
``server.py``   the server imports, listens, forks keepers, and renews itself when the code changes
``keeper.py``   the keeper is the run's parent and ends everything that the run leaves
``run.py``      the run is ``python -m prefect.engine`` with everything imported already

* Nobody has to start the server: a launcher that finds none starts one and waits for it, and the next ones find it.
* A run depends on the server only while it is being forked. Afterwards the server may be stopped, killed or renewed.
* One server for each project, interpreter and environment of settings (``place.Place``): what is imported at its
  start is what the run would have imported. Environment, working directory, umask and streams are the run's own.
* Where there is no warm start (not Linux, or a server that does not come up), the ordinary command is used.
"""

"""Nothing lost: what Prefect, this machine's processes and the catalogue say is compared, and put right.

Plain functions over Prefect's client and a reading of the process table (:class:`~tasks.reconcile.machine.Machine`);
``tasks.upkeep`` calls them every minute, ``deployments.bootstrap`` before the workers of a stack start.
"""

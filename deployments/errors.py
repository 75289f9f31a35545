"""What can go wrong when the local stack is started, as typed errors whose sentence says what to do.

InfrastructureError
└── StackError               INFRA.STACK      (a retry of the same call does not help)
    ├── StackRunningError    another stack uses the same home
    ├── PortTakenError       a wanted port is in use
    ├── ComponentError       a component ended or did not become ready
    ├── PostgresError        the embedded Postgres cannot be used as it is
    └── NoMemoryHomeError    state may not, or cannot, lie in memory here
"""

from data.domain.errors import InfrastructureError


class StackError(InfrastructureError):
    """The local stack cannot be started or has broken down."""

    code = "INFRA.STACK"
    retryable = False


class StackRunningError(StackError):
    """Another stack uses the same home."""

    code = "INFRA.STACK.RUNNING"


class PortTakenError(StackError):
    """A wanted port is in use by somebody else."""

    code = "INFRA.STACK.PORT_TAKEN"


class ComponentError(StackError):
    """A component ended by itself, or did not become ready in time; the facts hold its log's tail."""

    code = "INFRA.STACK.COMPONENT"


class PostgresError(StackError):
    """The embedded Postgres cannot be used as it is."""

    code = "INFRA.STACK.POSTGRES"


class NoMemoryHomeError(StackError):
    """State may not, or cannot, lie in memory here."""

    code = "INFRA.STACK.NO_MEMORY_HOME"

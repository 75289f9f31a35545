"""Numbers of bytes as people read them, in plans and reports alike."""


def size_text(size_bytes: float) -> str:
    """Return a number of bytes with three digits, in decimal units: ``1.23 MB``, ``999 kB``, ``1,234.5 TB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 999.5:  # more would be written as 1e+03
            return f"{size_bytes:.3g} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:,.1f} TB"

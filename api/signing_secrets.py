"""What access tokens are signed with: the settings' secrets, or on a laptop one that is drawn once and kept."""

import os
import secrets
from pathlib import Path

from data.settings import Settings

SECRET_FILE = "auth.secret"  # noqa: S105 - a name, no secret


def signing_secrets(settings: Settings) -> list[str]:
    """Return the secrets, the one that signs first."""
    given = [secret.get_secret_value() for secret in settings.auth.secrets]
    return given or [_kept(settings.home_path / SECRET_FILE)]


def _kept(path: Path) -> str:
    """Return the secret of a file, which is made if it is not there; of two who make it at once, one wins for both."""
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    draft.touch(0o600, exist_ok=False)
    draft.write_text(secrets.token_urlsafe(48), encoding="ascii")
    try:
        os.link(draft, path)  # whole or not at all, and never over another
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text(encoding="ascii")

"""Encrypts what must be stored but never shown again (LM Studio's tokens)."""

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class Unreadable(Exception):
    """The secret was sealed with a key that is no longer known: it has to be entered again."""


def _fernet(secret_key: str) -> Fernet:
    # HKDF-SHA256 (RFC 5869); the info string keeps this key apart from any other use of the secret key
    derived = HKDF(SHA256(), 32, salt=None, info=b"lmstrix server tokens").derive(secret_key.encode())
    return Fernet(base64.urlsafe_b64encode(derived))


def installation() -> str:
    """A short name for this installation, the same in all its processes; it tells nothing of the secret key."""
    return HKDF(SHA256(), 8, salt=None, info=b"lmstrix installation").derive(settings.SECRET_KEY.encode()).hex()


def _box() -> MultiFernet:
    return MultiFernet([_fernet(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def seal(secret: str) -> str:
    """`secret` encrypted under the current secret key; the empty string stays empty."""
    return _box().encrypt(secret.encode()).decode() if secret else ""


def unseal(sealed: str) -> str:
    """The secret again; raises Unreadable when no known key fits."""
    if not sealed:
        return ""
    try:
        return _box().decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise Unreadable("the stored token cannot be read any more; enter it again") from error

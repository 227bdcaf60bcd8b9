"""What passkeys are called: by their owner, else by who made them, else by a number."""

from collections.abc import Collection

MAX_NAME_LENGTH = 64
PROVIDERS = {
    "08987058-cadc-4b81-b6e1-30de50dcbe96": "Windows Hello",
    "9ddd1817-af5a-4672-a2b9-3e3dd95000a9": "Windows Hello",
    "6028b017-b1d4-4c02-b4b3-afcdafc96bb2": "Windows Hello",
    "adce0002-35bc-c60a-648b-0b25f1f05503": "Chrome on Mac",
    "ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4": "Google Password Manager",
    "fbfc3007-154e-4ecc-8c0b-6e020557d7bd": "Apple Passwords",
    "53414d53-554e-4700-0000-000000000000": "Samsung Pass",
    "bada5566-a7aa-401f-bd96-45619a55120d": "1Password",
    "d548826e-79b4-db40-a3d8-11116f7e8349": "Bitwarden",
    "531126d6-e717-415c-9320-3d9aa6981239": "Dashlane",
    "50726f74-6f6e-5061-7373-50726f746f6e": "Proton Pass",
    "fdb141b2-5d84-443e-8a35-4698c205a502": "KeePassXC",
}
"""Authenticators that name themselves by AAGUID. Nobody vouches for it: it only saves people typing a name."""
_SECURITY_KEY_TRANSPORTS = frozenset({"usb", "nfc", "ble", "smart-card"})


def clean_name(name: str) -> str:
    """Return a name as it is stored: printable, trimmed, bounded; empty where nothing is left."""
    return "".join(character for character in name if character.isprintable()).strip()[:MAX_NAME_LENGTH]


def default_name(aaguid: str, transports: Collection[str], taken: Collection[str]) -> str:
    """Return a name that none of the person's passkeys has."""
    name = PROVIDERS.get(aaguid)
    if name is None and transports and set(transports) <= _SECURITY_KEY_TRANSPORTS:
        name = "Security key"
    if name is not None and name not in taken:
        return name
    base, number = name or "Passkey", len(taken) + 1
    while f"{base} {number}" in taken:
        number += 1
    return f"{base} {number}"

"""Signed URLs without any library. `tintype.urls` does this and more; this is what it comes down to."""  # noqa: INP001 - a script

import base64
import hmac
import sys

KEY, SALT = bytes.fromhex("736563726574"), bytes.fromhex("68656c6c6f")


def signed(path: str) -> str:
    digest = hmac.digest(KEY, SALT + path.encode(), "sha256")
    return "/" + base64.urlsafe_b64encode(digest).decode().rstrip("=") + path


def image(source: str, options: str, extension: str = "") -> str:
    encoded = base64.urlsafe_b64encode(source.encode()).decode().rstrip("=")
    return signed(f"/{options}/{encoded}" + (f".{extension}" if extension else ""))


if __name__ == "__main__":
    sys.stdout.write(image(*sys.argv[1:]) + "\n")

"""What a container engine's failures mean, and what mends each. Knows texts only, not the SDK that raised them."""

from __future__ import annotations

from alexnet_archive.errors import ContainerError, chain

_EXPLANATIONS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("Permission denied", "PermissionError"),
        "no permission to talk to the container engine",
        "join the group `docker` (sudo usermod -aG docker $USER, then log in again) or use a rootless engine",
    ),
    (
        ("could not select device driver", "nvidia-container-cli", "nvidia-container-runtime", "unresolvable CDI devices"),
        "the container engine cannot hand GPUs to a container",
        "install NVIDIA's driver and the NVIDIA Container Toolkit on the host, restart the engine, or use --flavour cpu",
    ),
    (
        ("no space left on device", "No space left", "disk quota exceeded"),
        "the container engine has no disk space left",
        "free space under its data folder (docker system df; docker image prune)",
    ),
    (
        (
            "pull access denied", "manifest unknown", "manifest for", "repository does not exist", "toomanyrequests",
            "registry-1", "unauthorized", "dial tcp", "no such host", "TLS handshake", "denied: requested access",
        ),
        "the base image could not be pulled",
        "give one that you have with --base IMAGE (a debootstrap of the suite, imported with `docker import`, will do)",
    ),
    (
        ("No such file or directory", "Connection refused", "ConnectionRefusedError", "FileNotFoundError", "connect timeout"),
        "no container engine answers",
        "install Docker and start it, or point DOCKER_HOST at one; `--toolchain host` needs none",
    ),
    (
        ("Connection aborted", "RemoteDisconnected", "Connection broken", "IncompleteRead", "Connection reset", "Broken pipe",
         "Read timed out", "BadStatusLine"),
        "the container engine went away in the middle",
        "restart it and run the command again: nothing half-made is used",
    ),
)  # fmt: skip


def explain(error: BaseException, address: str) -> ContainerError:
    """An SDK failure as an error of ours that says what mends it."""
    text = " | ".join(str(item) for item in chain(error))
    for words, message, remedy in _EXPLANATIONS:
        if any(word in text for word in words):
            return ContainerError(message, path=address, found=_brief(error), remedy=remedy)
    return ContainerError("the container engine refused", path=address, found=_brief(error), remedy="read its own log")


def _brief(error: BaseException) -> str:
    explanation = getattr(error, "explanation", None)
    return " ".join(str(explanation or error).split())[:400]

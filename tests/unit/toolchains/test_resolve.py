"""What apt and pip print, read into pins."""

from __future__ import annotations

import pytest

from alexnet_archive.errors import ToolchainError
from alexnet_archive.toolchains import resolve
from alexnet_archive.toolchains.locks import DebianPin, WheelPin

OUTPUT = f"""Reading package lists...
@@suite bullseye
@@installed
bash 5.1-2 amd64
perl-base 5.32.1-4+deb11u3 amd64
e2fsprogs 1.46 amd64
@@plan
Inst perl-base [5.32.1-4+deb11u3] (5.32.1-4+deb11u5 Debian-Security:11/oldstable-security [amd64])
Inst libss2 (1.46.2-2 Debian:11.11/oldstable [amd64]) []
Inst libc6:amd64 (2.31-13 Debian:11/x [amd64])
Remv e2fsprogs [1.46]
@@packages
Package: bash
Version: 5.1-2
Installed-Size: 100
Architecture: amd64
Size: 12
SHA256: {"a" * 64}

Package: perl-base
Version: 5.32.1-4+deb11u3
Architecture: amd64
SHA256: {"b" * 64}

Package: perl-base
Version: 5.32.1-4+deb11u5
Architecture: amd64
SHA256: {"c" * 64}

Package: libss2
Version: 1.46.2-2
Architecture: amd64
SHA256: {"d" * 64}

Package: libc6
Version: 2.31-13
Architecture: amd64
SHA256: {"e" * 64}

@@end
Setting up python3-pip
@@wheels python2
{"1" * 64}  Pillow-6.2.2-cp27-cp27mu-manylinux1_x86_64.whl
{"2" * 64}  backports.functools_lru_cache-1.6.6-py2.py3-none-any.whl
@@end
noise
@@wheels native
{"3" * 64}  nvidia_cuda_cccl-13.0.85-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl
@@end
""".splitlines()


def test_upgrades_additions_and_removals_make_the_closure() -> None:
    assert resolve.debian_pins(OUTPUT, "cpu") == (
        DebianPin("bash", "5.1-2", "amd64", "a" * 64),
        DebianPin("libc6", "2.31-13", "amd64", "e" * 64),
        DebianPin("libss2", "1.46.2-2", "amd64", "d" * 64),
        DebianPin("perl-base", "5.32.1-4+deb11u5", "amd64", "c" * 64),
    )


def test_a_package_without_a_digest_is_named() -> None:
    lines = [line for line in OUTPUT if line != f"SHA256: {'d' * 64}"]
    with pytest.raises(ToolchainError, match=r"digest of libss2 1\.46\.2-2"):
        resolve.debian_pins(lines, "cpu")


def test_output_cut_short_is_refused() -> None:
    with pytest.raises(ToolchainError, match="did not answer"):
        resolve.debian_pins(OUTPUT[:6], "cpu")


def test_wheels_by_kind() -> None:
    assert resolve.wheel_pins(OUTPUT, "python2") == (
        WheelPin("backports.functools-lru-cache", "1.6.6", "2" * 64),
        WheelPin("Pillow", "6.2.2", "1" * 64),
    )
    assert resolve.wheel_pins(OUTPUT, "native") == (WheelPin("nvidia-cuda-cccl", "13.0.85", "3" * 64),)
    assert resolve.wheel_pins(OUTPUT, "other") == ()


def test_something_that_is_no_wheel_is_refused() -> None:
    with pytest.raises(ToolchainError, match="no wheel"):
        resolve.wheel_pins(["@@wheels python2", f"{'1' * 64}  numpy-1.16.6.zip", "@@end"], "python2")

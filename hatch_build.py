"""Puts the exhibit's built page into the wheel, so that whoever installs it needs no Node.

Without a built page a wheel is made all the same, and says so: everything but `exhibit` and the end of `demo` works without
it. Where ALEXNET_ARCHIVE_REQUIRE names `exhibit`, as for a release, that is an error.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUILT, PLACE = "exhibit/dist", "alexnet_archive/_house/exhibit"


class ExhibitHook(BuildHookInterface):
    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name == "wheel" and version == "editable":
            return
        if (Path(self.root) / BUILT / "index.html").is_file():
            if self.target_name == "wheel":
                build_data["force_include"][BUILT] = PLACE
            return
        message = "the exhibit's page has not been built, and the package comes without it: make exhibit"
        if "exhibit" in os.environ.get("ALEXNET_ARCHIVE_REQUIRE", "").split(","):
            raise RuntimeError(message)
        self.app.display_warning(message)

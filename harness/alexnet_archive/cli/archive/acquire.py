"""`acquire`: bring the release in."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from alexnet_archive.cli.archive.printing import JSON, examples, pairs, show_identity
from alexnet_archive.cli.shared import emit_json, progress_bar


@click.command(
    epilog=examples(
        "acquire",
        "acquire --from AlexNet-Source-Code.zip --unwrap",
        "acquire --from tests/standin --first-seen",
    )
)
@click.option(
    "--from", "source", default=None, metavar="URL|PATH",
    help="git URL, local clone, folder, zip or tar [default: the publisher's]",
)  # fmt: skip
@click.option(
    "--revision", default=None, metavar="NAME", help="another commit, branch or tag than the recorded revision (git only)"
)
@click.option("--first-seen", is_flag=True, help="accept content that nothing vouches for, recorded as such")
@click.option("--replace", is_flag=True, help="put it in the place of an earlier acquisition, once it is checked")
@click.option("--unwrap", is_flag=True, help="take what lies in the single top folder of a zip or tar")
@click.option("--proxy", default=None, metavar="URL", help="proxy URL [default: https_proxy, http_proxy, all_proxy]")
@click.option("--ca-bundle", type=click.Path(path_type=Path), default=None, help="extra certificate authorities (PEM)")
@JSON
def acquire(
    source: str | None, revision: str | None, first_seen: bool, replace: bool, unwrap: bool, proxy: str | None,
    ca_bundle: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Bring the release in, check it, make it read-only.

    Content is accepted when its git revision is the recorded one, when it equals a manifest recorded before, or when its
    names and sizes agree with the inventory; anything else only with --first-seen. It is unpacked beside and renamed
    into place last.
    """
    from alexnet_archive import archive
    from alexnet_archive.archive.gitsource import Network

    with progress_bar("acquire") as progress:
        done = archive.acquire(
            source, revision=revision, first_seen=first_seen, replace=replace, unwrap=unwrap,
            network=Network(proxy, ca_bundle), progress=progress,
        )  # fmt: skip
    if as_json:
        identity = {**done.manifest.facts(), "place": str(done.place), "replaced": done.replaced}
        emit_json({**identity, "inventory": {**asdict(done.comparison), "agrees": done.comparison.agrees}})
        return
    show_identity(done.manifest)
    pairs([("inventory", str(done.comparison)), ("placed in", f"{done.place}, read-only")])

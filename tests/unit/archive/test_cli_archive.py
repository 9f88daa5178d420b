"""The commands acquire, verify, inventory and notebook: what they print, in text and JSON, and how they exit."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from alexnet_archive import archive, paths
from alexnet_archive.archive import experiments
from alexnet_archive.cli import main as cli
from alexnet_archive.errors import ArchiveError, LayerFileError, MissingOriginalError
from tests.archive_net import trees
from tests.archive_net.trees import flip


class Done:
    """What a command left: exit code, standard output and error."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command as the entry point does: our errors become a message and an exit code."""

    def call(*arguments: str) -> Done:
        with pytest.raises(SystemExit) as ended:
            cli.run(list(arguments))
        captured = capsys.readouterr()
        return Done(int(ended.value.code or 0), captured.out, captured.err)

    return call


def test_acquire_says_loudly_what_is_first_seen(command: Any, tree: Path) -> None:
    refused = command("acquire", "--from", str(tree))
    assert refused.code == 11 and "--first-seen" in refused.err and refused.out == ""
    done = command("acquire", "--from", str(tree), "--first-seen")
    assert done.code == 0 and "FIRST SEEN" in done.out and str(tree) in done.out and "swh:1:dir:" in done.out
    again = command("acquire", "--from", str(tree))
    assert again.code == 11 and "--replace" in again.err


def test_acquire_as_json(command: Any, tree: Path) -> None:
    facts = command("acquire", "--from", str(tree), "--first-seen", "--json").json()
    assert facts["status"] == "first-seen" and facts["files"] == len(trees.EXPECTED) and facts["replaced"] is False
    assert facts["swhid_directory"] == f"swh:1:dir:{archive.identity().tree}" and facts["inventory"]["agrees"] is False
    refused = command("acquire", "--from", str(tree), "--json")
    assert refused.json()["error"] == "AcquireError" and refused.json()["exit_code"] == refused.code == 11


@pytest.mark.parametrize("as_json", [False, True])
def test_verify_finds_a_flipped_byte(command: Any, acquired: Path, as_json: bool) -> None:
    extra = ["--json"] if as_json else []
    good = command("verify", *extra)
    assert good.code == 0 and ((good.json()["findings"] == []) if as_json else ("untouched" in good.out))
    flip(acquired / "layer.py", keep_time=True)
    assert command("verify", "--quick", *extra).code == 0, "the quick check's blind spot"
    bad = command("verify", *extra)
    assert bad.code == 15
    if as_json:
        (finding,) = bad.json()["findings"]
        assert finding["kind"] == "altered" and finding["path"] == "layer.py"
        assert finding["expected"] == f"sha256 {archive.manifest().by_path()['layer.py'].sha256}"
        assert bad.json()["exit_code"] == 15
    else:
        assert "1 altered" in bad.out and "layer.py" in bad.out and "untouched" not in bad.out


def test_verify_without_a_release(command: Any) -> None:
    done = command("verify")
    assert done.code == 10 and "alexnet-archive acquire" in done.err


def test_several_kinds_have_their_own_exit_code(command: Any, acquired: Path) -> None:
    flip(acquired / "layer.py", keep_time=False)
    (acquired / "run.sh").chmod(0o444)
    done = command("verify")
    assert done.code == 12 and "1 altered, 1 mode" in done.out


def test_verify_since_build_and_ids(command: Any, acquired: Path) -> None:
    assert command("verify", "--since-build").code == 3
    folder = paths.builds() / "b"
    folder.mkdir(parents=True)
    archive.bear_witness(folder)
    assert command("verify", "--since-build", "--ids").code == 0
    (acquired / "src").chmod(0o755)
    (acquired / "src").chmod(0o555)
    touched = command("verify", "--since-build")
    assert touched.code == 15 and "1 touched" in touched.out


def test_verify_makes_a_bag_only_of_what_is_whole(command: Any, acquired: Path, tmp_path: Path) -> None:
    done = command("verify", "--bag", str(tmp_path / "bag"))
    assert done.code == 0 and (tmp_path / "bag" / "bagit.txt").is_file() and "bagit.py --validate" in done.out
    assert command("verify", "--bag", str(tmp_path / "bag")).code == 3
    flip(acquired / "layer.py", keep_time=True)
    assert command("verify", "--quick", "--bag", str(tmp_path / "other")).code == 15 and not (tmp_path / "other").exists()


def test_names_that_are_not_text_can_be_reported(command: Any, acquired: Path) -> None:
    acquired.chmod(0o755)
    (acquired / os.fsdecode(b"\xff\xfe")).write_bytes(b"")
    acquired.chmod(0o555)
    done = command("verify")
    assert done.code in (12, 14) and "unexpected" in done.out
    assert any(finding["kind"] == "unexpected" for finding in command("verify", "--json").json()["findings"])


def test_inventory(command: Any, acquired: Path) -> None:
    done = command("inventory")
    assert done.code == 0 and "nvmatrix.cuh" in done.out and "ordereddict" in done.out and "vector" not in done.out
    assert "compared with the record" in done.out and "are not here" in done.out
    assert "vector" in command("inventory", "--all").out
    facts = command("inventory", "--json").json()
    assert {need["name"] for need in facts["needs"]} >= {"nvmatrix.cuh", "vector"} and facts["identity"][
        "status"
    ] == "first-seen"


def test_inventory_of_nothing_offers_the_record(command: Any) -> None:
    assert command("inventory").code == 10
    done = command("inventory", "--expected")
    assert done.code == 0 and "9fdd561586a4a3a42b42f73f3bdd8fdd9752ecce" in done.out and "src/layer.cu" in done.out
    assert len(command("inventory", "--expected", "--json").json()["files"]) == 227


def test_notebook_lists_filters_and_sorts(command: Any) -> None:
    done = command("notebook", "--gpus", "2", "--sort", "top5", "--with-errors")
    lines = done.out.splitlines()
    assert done.code == 0 and lines[1].startswith("141-2009-2010") and "not looked for" in lines[-1]
    rows = command("notebook", "--json").json()
    assert len(rows) == 113 and rows[0]["id"] == "96-16k" and rows[0]["files_missing"] is None
    assert command("notebook", "--sort", "beauty").code == 3


@pytest.mark.parametrize("item", experiments.load(), ids=lambda item: item.id)
def test_every_run_can_be_shown(item: experiments.Experiment, command: Any) -> None:
    done = command("notebook", item.id)
    assert done.code == 0 and item.id in done.out and "DIFFERS" not in done.out
    assert all(path in done.out for path in item.files)


def test_a_run_in_detail_tells_its_evidence_and_links_to_layers_show(command: Any, acquired: Path) -> None:
    done = command("notebook", "145")
    assert "alexnet-archive layers show layers-145.cfg" in done.out
    assert "layers/layers-145.cfg (there)" in done.out and "layer-params-145.cfg (MISSING" in done.out
    assert done.out.count("meets") == 3 and "40.66 / 18.21 %" in done.out
    facts = command("notebook", "145", "--json").json()
    assert facts["files_missing"] == ["layers/layer-params-145.cfg"] and all(row["meets"] for row in facts["evidence"])
    unknown = command("notebook", "14")
    assert unknown.code == 3 and "nearest" in unknown.err


def test_commands_that_read_the_release_check_it_first(command: Any, acquired: Path) -> None:
    flip(acquired / "layer.py", keep_time=False)
    for arguments in (["inventory"], ["notebook"], ["notebook", "145"]):
        assert command(*arguments).code == 15, arguments


def test_a_filter_that_no_run_passes_says_so_and_nothing_of_files(command: Any, acquired: Path) -> None:
    done = command("notebook", "--gpus", "7")
    assert done.code == 0 and "no run is like that" in done.out and "acquired" not in done.out
    assert command("notebook", "--gpus", "7", "--json").json() == []


def test_a_layer_file_that_was_not_acquired_is_told_from_one_of_a_release_that_was_not(command: Any, tree: Path) -> None:
    missing = command("layers", "show", "layers-777.cfg")
    assert missing.code == MissingOriginalError.exit_code and "the release has not been acquired" in missing.err
    command("acquire", "--from", str(tree), "--first-seen")
    done = command("layers", "show", "layers-777.cfg")
    assert done.code == LayerFileError.exit_code and "neither among what was acquired nor among our nets" in done.err
    assert "layers-145.cfg" in done.err and "alexnet-archive acquire" not in done.err


@pytest.mark.exhaustive
def test_notebook_draw(command: Any, tmp_path: Path) -> None:
    done = command("notebook", "draw", str(tmp_path / "n.png"), "--json")
    facts = done.json()
    assert done.code == 0 and facts["runs"] + len(facts["left_out"]) == 113 and (tmp_path / "n.png").stat().st_size > 50_000


@pytest.mark.parametrize("name", ["acquire", "verify", "inventory", "notebook"])
def test_every_command_has_help_with_an_example(name: str) -> None:
    done = CliRunner().invoke(cli.main, [name, "--help"])
    assert done.exit_code == 0 and "Example" in done.output and "--json" in done.output


def test_errors_stay_ours(command: Any) -> None:
    with pytest.raises(ArchiveError):
        cli.main.main(["notebook", "nothing"], standalone_mode=False)

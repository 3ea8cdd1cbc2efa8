"""What a configuration declares, and its working copy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seatrial.errors import CannotTell
from seatrial.links.terraform import configuration


def write(file: Path, text: str = "") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_declared_names_are_those_of_blocks_and_of_no_comment(tmp_path: Path) -> None:
    write(
        tmp_path / "a.tf",
        'variable "one" {}\n# variable "two" {}\n/*\nvariable "three" {}\n*/\n  variable  "four"\t{\n}\n',
    )
    write(tmp_path / "b.tf.json", json.dumps({"variable": {"five": {}}, "output": {"url": {}}}))
    write(tmp_path / "c.tofu.json", json.dumps({"variable": [{"six": {}}]}))
    write(tmp_path / "d.txt", 'variable "seven" {}')
    write(tmp_path / "e.tf", 'locals { note = "variable eight {" }\noutput "nodes" {\n}\n')
    assert configuration.declared(tmp_path, "variable") == {"one", "four", "five", "six"}
    assert configuration.declared(tmp_path, "output") == {"nodes", "url"}


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    write(tmp_path / "b.tf.json", "{")
    with pytest.raises(CannotTell, match=r"b\.tf\.json"):
        configuration.declared(tmp_path, "variable")


def test_files_of_values_are_those_that_the_tool_reads_by_itself(tmp_path: Path) -> None:
    write(tmp_path / "terraform.tfvars", 'one = 1\n  two="x"\n# three = 3\n')
    write(tmp_path / "x.auto.tfvars.json", '{"four": 4}')
    write(tmp_path / "prod.tfvars", "five = 5")
    assert set(configuration.assigned(tmp_path)) == {"one", "two", "four"}
    assert configuration.assigned(tmp_path, ["prod.tfvars"])["five"] == "prod.tfvars"


def test_a_copy_has_the_configuration_and_neither_its_state_nor_its_data(tmp_path: Path) -> None:
    top = tmp_path / "project"
    folder = top / "infra" / "prod"
    for name in ("main.tf", "terraform.tfvars", ".terraform.lock.hcl", "scripts/up.sh", "modules/m/m.tf"):
        write(folder / name, name)
    for name in ("terraform.tfstate", "terraform.tfstate.backup", "old.tfstate.1700000000.backup", "x.tfplan"):
        write(folder / name, "the user's")
    for name in (".terraform/modules/modules.json", ".git/config", ".seatrial/runs/r/log", "terraform.tfstate.d/a/t"):
        write(folder / name, "the user's")
    write(top / "modules" / "x" / "x.tf", "shared")
    write(top / "infra" / "common.sh", "common")
    (folder / "link.tf").symlink_to("../common.sh")
    copied = configuration.copy(folder, top, tmp_path / "trial" / "copy")
    files = {str(file.relative_to(copied)) for file in copied.rglob("*") if file.is_file()}
    own = {"main.tf", "terraform.tfvars", ".terraform.lock.hcl", "scripts/up.sh", "modules/m/m.tf", "link.tf"}
    assert files == own
    assert not any((copied / name).is_symlink() for name in own - {"link.tf"})
    assert (copied / "../../modules/x/x.tf").read_text() == "shared"  # as a path of the copy, not of its link
    assert (copied / ".." / "common.sh").read_text() == "common"
    assert (copied / "link.tf").read_text() == "common"
    (copied / "scripts" / "new").touch()
    assert not (folder / "scripts" / "new").exists()


def test_large_files_and_folders_are_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration, "LARGE", 10)
    monkeypatch.setattr(configuration, "MANY", 3)
    folder = tmp_path / "infra"
    write(folder / "image.tar", "x" * 11)
    for number in range(4):
        write(folder / "many" / f"{number}.txt")
    copied = configuration.copy(folder, folder, tmp_path / "copy")
    assert (copied / "image.tar").is_symlink()
    assert (copied / "many").is_symlink()


def test_installed_providers_are_found_again(tmp_path: Path) -> None:
    package = "registry.terraform.io/hashicorp/random/3.6.0/linux_amd64"
    program = write(tmp_path / "infra" / ".terraform" / "providers" / package / "terraform-provider-random", "binary")
    configuration.link_providers(tmp_path / "infra", tmp_path / "data")
    assert (tmp_path / "data" / "providers" / package).resolve() == program.parent

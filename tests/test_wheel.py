"""The two wheels: an installed bridge can do without the source tree, and without the sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from bridge.store.migrate import HEAD

ROOT = Path(__file__).parents[1]
CLI = "from bridge.cli import main; main(prog_name='lp-bridge')"


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which the bridge's wheel was unpacked."""
    return unpacked(ROOT, tmp_path_factory.mktemp("bridge"))


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which the sandbox's wheel was unpacked."""
    return unpacked(ROOT / "sandbox", tmp_path_factory.mktemp("sandbox"))


def unpacked(source: Path, folder: Path) -> Path:
    """Build a wheel and unpack it."""
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")],
        cwd=source,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = (folder / "dist").iterdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


def run(
    folder: Path, program: str, *arguments: str, installed: tuple[Path, ...]
) -> subprocess.CompletedProcess[str]:
    """Run Python where only these of our wheels are installed, and whatever both depend on.

    Without `site`, nothing is found that was installed as editable.
    """
    path = [*map(str, installed), sysconfig.get_path("purelib")]
    return subprocess.run(
        [sys.executable, "-S", "-c", program, *arguments],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path),
            "DATABASE_URL": "sqlite:///b.db",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def rooms(installed: Path) -> set[str]:
    return {each.name for each in installed.iterdir() if each.suffix != ".dist-info"}


def test_installed_bridge_migrates_its_database(bridge: Path, tmp_path: Path) -> None:
    program = f"import bridge.store.migrate as m; print(m.scripts()); {CLI}"

    done = run(tmp_path, program, "db", "upgrade", installed=(bridge,))

    assert done.returncode == 0, done.stderr
    scripts, said = done.stdout.splitlines()
    assert scripts == str(bridge / "bridge" / "migrations")
    assert said == f"The database is at revision {HEAD} now (before: empty)."


def test_each_wheel_has_its_own_room(bridge: Path, sandbox: Path) -> None:
    assert rooms(bridge) == {"bridge"}, "neither the sandbox nor the tests belong into production"
    assert rooms(sandbox) == {"lp_sandbox"}
    assert (sandbox / "lp_sandbox" / "page" / "static" / "index.html").is_file()


def test_the_sandbox_is_found_once_its_wheel_is_installed(
    bridge: Path, sandbox: Path, tmp_path: Path
) -> None:
    without = run(tmp_path, CLI, "demo", installed=(bridge,))
    there = run(tmp_path, "import lp_sandbox.demo", installed=(bridge, sandbox))

    assert without.returncode == 2
    assert "no module 'lp_sandbox'" in without.stderr
    assert "pip install ./sandbox" in without.stderr
    assert there.returncode == 0, there.stderr

"""The wheel: an installed bridge can do without the source tree, migrations included."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from bridge.store.migrate import HEAD

ROOT = Path(__file__).parents[1]


def test_installed_bridge_migrates_its_database(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = (tmp_path / "dist").iterdir()
    with zipfile.ZipFile(wheel) as archive:
        rooms = {name.partition("/")[0] for name in archive.namelist() if ".dist-info" not in name}
        assert rooms == {"bridge"}, "neither the sandbox nor the tests belong into production"
        archive.extractall(tmp_path / "installed")
    program = (
        "import sys, bridge.store.migrate as m; print(m.scripts());"
        "from bridge.cli import main; sys.argv[1:] = ['db', 'upgrade']; main()"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(tmp_path / "installed"),
            "DATABASE_URL": "sqlite:///b.db",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    scripts, said = done.stdout.splitlines()
    assert scripts == str(tmp_path / "installed" / "bridge" / "migrations")
    assert said == f"The database is at revision {HEAD} now (before: empty)."


def test_the_sandbox_is_a_distribution_of_its_own(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT / "sandbox",
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {"lp_sandbox/demo.py", "lp_sandbox/page/static/index.html"} <= set(names)


def test_the_lock_of_production_has_nothing_of_the_sandbox() -> None:
    locked = (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8")
    names = {line.partition("==")[0] for line in locked.splitlines() if "==" in line}
    assert {"aiohttp", "slack-bolt"} <= names
    assert not {"trustme", "emoji", "playwright", "pytest"} & names

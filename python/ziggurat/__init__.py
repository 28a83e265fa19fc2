"""Finds the `ziggurat` program of this environment, for scripts."""

import os
import sys
import sysconfig

__all__ = ["find_binary"]


def find_binary():
    """The path of the program that was installed with this package.

    Raises FileNotFoundError if it was removed.
    """
    name = "ziggurat" + (sysconfig.get_config_var("EXE") or "")
    folders = [
        sysconfig.get_path("scripts"),
        # `pip install --user`
        sysconfig.get_path("scripts", scheme=os.name + "_user"),
        # `pip install --prefix` and `--target`: beside the folder of packages
        os.path.join(_prefix(), "Scripts" if sys.platform == "win32" else "bin"),
        os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "bin"),
    ]
    for folder in folders:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            return path
    raise FileNotFoundError(
        f"the program {name} is in none of {', '.join(folders)}; reinstall the package ziggurat"
    )


def _prefix():
    """The prefix of the environment whose `lib/pythonX.Y/site-packages` contains this package."""
    path = os.path.dirname(os.path.abspath(__file__))
    for _ in range(4):
        path = os.path.dirname(path)
    return path

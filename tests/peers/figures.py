"""How the scripts of this folder compare, and write down what they found."""
import re


def distance(mine, exact):
    """Relative L2 error."""
    import numpy as np

    return float(np.linalg.norm(mine - exact) / np.linalg.norm(exact))


def rounded(number):
    return float(f"{number:.2e}")


def one_line(text, folder, most=300):
    """`text` on one line, without what belongs to this machine."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text).replace(str(folder) + "/", "")
    return re.sub(r"\s+", " ", re.sub(r"(?<![:/\w])(/[\w.+-]+)+/", "", text)).strip()[:most]


def cause(problem):
    """The exception that others were raised from, and its message: exporters wrap theirs in advice."""
    while problem.__cause__:
        problem = problem.__cause__
    return f"{type(problem).__name__}: {problem}"

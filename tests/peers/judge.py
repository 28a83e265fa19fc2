#!/usr/bin/env python3
"""Shows Ziggurat's pictures to networks that took no part, and prints how often they recognise the class.

    cargo build --release
    python3 tests/peers/judge.py target/release/ziggurat FOLDER [OPTION OF ziggurat run ...]

Needs nothing but Python. The forty classes are fixed; pictures stay in FOLDER. Prints, for each judge, the mean probability of the
class and the share of pictures for which it comes first.
"""
import json
import pathlib
import subprocess
import sys

CLASSES = """1 9 22 76 84 88 107 130 145 207 245 285 292 309 323 340 366 386 407 417 440 483 510 555 579 605 717 780 812 817 849 920
937 949 950 963 970 985 987 992""".split()
JUDGES = ["efficientnet-lite1", "efficientnet-lite2"]


def lines(*command):
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main(ziggurat, folder, *options):
    runs = lines(ziggurat, "run", *CLASSES, "--out", folder, "--json", *options)
    pictures = [run["image"] for run in runs]
    records = [json.loads(pathlib.Path(picture).with_suffix(".json").read_text()) for picture in pictures]
    classes = [record["spec"]["unit"]["index"] for record in records]
    for judge in JUDGES:
        answers = [answer["top"] for answer in lines(ziggurat, "classify", judge, *pictures, "--json", "--top", "1000")]
        given = [sum(one["probability"] for one in top if one["index"] == index) for top, index in zip(answers, classes)]
        first = [top[0]["index"] == index for top, index in zip(answers, classes)]
        print(f"{judge}: probability {sum(given) / len(given):.3f}, first {sum(first) / len(first):.3f}")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])

import os
import subprocess


def run(name):
    subprocess.run(["ls", name], check=True)
    subprocess.run(f"ls {name}", shell=True, check=True)  # bad
    os.system("ls " + name)  # bad
    os.popen("ls " + name)  # bad

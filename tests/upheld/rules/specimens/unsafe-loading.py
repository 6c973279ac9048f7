import pickle

import yaml


def load(data):
    yaml.safe_load(data)
    yaml.load(data, Loader=yaml.CSafeLoader)
    yaml.load(data, Loader=yaml.Loader)  # bad
    pickle.loads(data)  # bad
    eval(data)  # bad
    return eval("1 + 1")

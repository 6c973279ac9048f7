"""The tree: its shape is RFC 6962's, what is opened proves itself, and what is withheld is counted and cannot be guessed."""

from __future__ import annotations

import hashlib
import random
from itertools import combinations

import pytest

from upheld.evidence.tree import Opened, Tree, Withheld, includes, leaf_hash, node_hash, root_of, salt

SEED = bytes(range(32))


def leaves(count):
    return [f"leaf {number}".encode() for number in range(count)]


def hashes(count):
    return [leaf_hash(salt(SEED, index), leaf) for index, leaf in enumerate(leaves(count))]


def recursive_root(parts):
    """The definition of RFC 6962 §2.1, word for word."""
    if len(parts) == 1:
        return parts[0]
    half = 1
    while half * 2 < len(parts):
        half *= 2
    return node_hash(recursive_root(parts[:half]), recursive_root(parts[half:]))


def opened(count, indices):
    return [Opened(index, salt(SEED, index), leaves(count)[index]) for index in indices]


@pytest.mark.parametrize("count", [*range(1, 34), 100, 255, 256, 257, 1000])
def test_the_root_is_that_of_the_definition(count):
    assert Tree.over(leaves(count), SEED).root == recursive_root(hashes(count))


def test_the_tree_of_the_certificate_transparency_example():
    """The inputs and roots by which other implementations of RFC 6962 are tested; their leaves have no salt."""
    inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    plain = [hashlib.sha256(b"\0" + bytes.fromhex(one)).digest() for one in inputs]
    assert Tree(plain[:1]).root.hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert Tree(plain).root.hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 13])
def test_each_leaf_proves_that_it_is_included_where_it_is_and_nowhere_else(count):
    tree, all_hashes = Tree.over(leaves(count), SEED), hashes(count)
    for index in range(count):
        path = tree.inclusion(index)
        for claimed in range(-1, count + 1):
            assert includes(tree.root, count, claimed, all_hashes[index], path) is (claimed == index)
        assert not includes(tree.root, count, index, all_hashes[index], (*path, bytes(32)))
        assert not includes(tree.root, count, index, all_hashes[index], path[:-1]) or count == 1
        for place in range(len(path)):
            other = bytes([path[place][0] ^ 1]) + path[place][1:]
            assert not includes(tree.root, count, index, all_hashes[index], (*path[:place], other, *path[place + 1 :]))


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_any_selection_leads_to_the_root_and_every_withheld_leaf_is_counted(count):
    tree = Tree.over(leaves(count), SEED)
    for chosen in range(count + 1):
        for indices in combinations(range(count), chosen):
            parts = tree.withheld(indices)
            assert root_of(count, opened(count, indices), parts) == tree.root
            assert sum(part.size for part in parts) == count - chosen


def test_a_selection_of_many_is_small():
    tree = Tree.over(leaves(10_000), SEED)
    chosen = random.Random(1).sample(range(10_000), 20)
    parts = tree.withheld(chosen)
    assert root_of(10_000, opened(10_000, chosen), parts) == tree.root
    assert len(parts) < 20 * 14


@pytest.mark.parametrize("count", [2, 5, 8, 21])
def test_nothing_can_be_left_out_added_moved_or_changed(count):
    tree = Tree.over(leaves(count), SEED)
    indices = [index for index in range(count) if index % 3 == 0]
    told, parts = opened(count, indices), tree.withheld(indices)

    def refused(told, parts, size=count):
        try:
            return root_of(size, told, parts) != tree.root
        except ValueError:
            return True

    assert not refused(told, parts)
    for place in range(len(told)):
        assert refused(told[:place] + told[place + 1 :], parts)
        one = told[place]
        assert refused([*told, one], parts)
        for other in (
            Opened(one.index, one.salt, one.leaf + b" "),
            Opened(one.index, bytes(32), one.leaf),
            Opened((one.index + 1) % count, one.salt, one.leaf),
        ):
            assert refused([*told[:place], other, *told[place + 1 :]], parts)
    for place, part in enumerate(parts):
        rest = parts[:place] + parts[place + 1 :]
        assert refused(told, rest)
        assert refused(told, (*parts, part))
        assert refused(told, (*rest, Withheld(part.start, part.size + 1, part.hash)))
        assert refused(told, (*rest, Withheld(part.start, part.size, bytes(32))))
        assert refused(told, (*rest, Withheld(part.start, part.size, part.hash[:31])))
    # The root says nothing of the size: that one is signed beside it, and another shape does not fit it.
    assert refused(told, parts, count + 1)
    assert refused(told, (*parts, Withheld(count, 1, bytes(32))))


def test_an_opened_salt_tells_no_other_and_a_withheld_leaf_cannot_be_guessed():
    """Whoever knows the words of a withheld leaf, and all other salts, still cannot tell that it is these words."""
    one, two = Tree.over([b"known", b"pass"], SEED), Tree.over([b"known", b"pass"], bytes(32))
    assert one.withheld([0]) != two.withheld([0])
    guesses = {leaf_hash(salt(SEED, 0), b"pass"), leaf_hash(bytes(32), b"pass"), hashlib.sha256(b"\0pass").digest()}
    assert one.withheld([0])[0].hash not in guesses


@pytest.mark.parametrize("wrong", [0, -1, 1 << 25])
def test_a_tree_of_no_leaves_or_of_too_many_is_refused(wrong):
    with pytest.raises(ValueError, match="leaves"):
        root_of(wrong, [], [])
    with pytest.raises(ValueError, match="leaves"):
        Tree([])


def test_places_that_are_not_there():
    tree = Tree.over(leaves(5), SEED)
    for index in (-1, 5):
        with pytest.raises(IndexError):
            tree.inclusion(index)
        with pytest.raises(IndexError):
            tree.withheld([index])
    with pytest.raises(ValueError, match="32 bytes"):
        leaf_hash(b"short", b"leaf")

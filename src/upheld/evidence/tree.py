"""The Merkle tree under a run, in which every leaf is salted: some can be opened and the others stay counted and unguessable.

The shape is that of RFC 6962 §2.1: the hash of a leaf is SHA-256(0x00 ‖ salt ‖ leaf), of a node SHA-256(0x01 ‖ left ‖ right), and
of n leaves the left half has the largest power of two that is smaller than n. A salt has 32 bytes, so that where the leaf
begins is never in doubt; it comes from a seed that goes to nobody who shall not see every leaf.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

SALT = 32
"""Bytes of a salt, and of the seed that salts come from."""
HASH = 32
MOST_LEAVES = 1 << 24
_SALT_OF_LEAF = b"upheld-evidence/1 salt of leaf "


def salt(seed: bytes, index: int) -> bytes:
    """The salt of the leaf at `index`: HMAC-SHA-256 of its number, by which nobody who has it learns another one."""
    return hmac.digest(seed, _SALT_OF_LEAF + index.to_bytes(8, "big"), "sha256")


def leaf_hash(salted_with: bytes, leaf: bytes) -> bytes:
    """The hash of a leaf; raises ValueError for a salt of another length."""
    if len(salted_with) != SALT:
        raise ValueError(f"a salt has {SALT} bytes, not {len(salted_with)}")
    return hashlib.sha256(b"\0" + salted_with + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node over those of its two halves."""
    return hashlib.sha256(b"\1" + left + right).digest()


def split(size: int) -> int:
    """How many of `size` leaves (two at least) are in the left half."""
    return 1 << ((size - 1).bit_length() - 1)


@dataclass(frozen=True, slots=True)
class Withheld:
    """A whole subtree of which only the hash is told: the leaves from `start` on, `size` of them."""

    start: int
    size: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Opened:
    """One leaf that is told, with its salt."""

    index: int
    salt: bytes
    leaf: bytes


class Tree:
    """The tree over leaves of these hashes."""

    def __init__(self, hashes: Sequence[bytes]) -> None:
        if not 0 < len(hashes) <= MOST_LEAVES:
            raise ValueError(f"a tree has from 1 to {MOST_LEAVES} leaves, not {len(hashes)}")
        # Complete subtrees by level: level k holds the hash of every aligned run of 2**k leaves.
        self._levels: list[list[bytes]] = [list(hashes)]
        while len(below := self._levels[-1]) > 1:
            self._levels.append([node_hash(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)])

    def __len__(self) -> int:
        return len(self._levels[0])

    @classmethod
    def over(cls, leaves: Iterable[bytes], seed: bytes) -> Tree:
        """The tree over `leaves`, salted from `seed`."""
        return cls([leaf_hash(salt(seed, index), leaf) for index, leaf in enumerate(leaves)])

    @property
    def root(self) -> bytes:
        """The one hash that stands for all leaves and their order."""
        return self.subtree(0, len(self))

    def subtree(self, start: int, size: int) -> bytes:
        """The hash over the leaves from `start` on, where the tree has a node over just these."""
        level = size.bit_length() - 1
        if size == 1 << level and start % size == 0:
            return self._levels[level][start >> level]
        half = split(size)
        return node_hash(self.subtree(start, half), self.subtree(start + half, size - half))

    def inclusion(self, index: int) -> tuple[bytes, ...]:
        """The audit path of RFC 6962 §2.1.1 for the leaf at `index`, from the leaf upwards."""
        if not 0 <= index < len(self):
            raise IndexError(f"the tree has {len(self)} leaves, and none at {index}")
        path: list[bytes] = []
        start, size = 0, len(self)
        while size > 1:
            half = split(size)
            if index < start + half:
                path.append(self.subtree(start + half, size - half))
                size = half
            else:
                path.append(self.subtree(start, half))
                start, size = start + half, size - half
        return tuple(reversed(path))

    def withheld(self, opened: Iterable[int]) -> tuple[Withheld, ...]:
        """What stands for all leaves but the `opened` ones: the largest subtrees without any of these, from left to right."""
        told = sorted(set(opened))
        if told and (told[0] < 0 or told[-1] >= len(self)):
            raise IndexError(f"the tree has {len(self)} leaves, and none at {told[0] if told[0] < 0 else told[-1]}")
        return tuple(self._withheld(0, len(self), told))

    def _withheld(self, start: int, size: int, told: Sequence[int]) -> Iterator[Withheld]:
        if not told:
            yield Withheld(start, size, self.subtree(start, size))
        elif size > 1:
            half = split(size)
            middle = start + half
            cut = next((place for place, index in enumerate(told) if index >= middle), len(told))
            yield from self._withheld(start, half, told[:cut])
            yield from self._withheld(middle, size - half, told[cut:])


def includes(root: bytes, size: int, index: int, leaf: bytes, path: Sequence[bytes]) -> bool:
    """Whether the audit path leads from the leaf of that hash at `index` to the root of a tree with `size` leaves."""
    if not 0 <= index < size or any(len(one) != HASH for one in path):
        return False
    rights: list[bool] = []  # For each level from the root down: whether the leaf is in the right half.
    start, rest = 0, size
    while rest > 1:
        half = split(rest)
        right = index >= start + half
        rights.append(right)
        start, rest = (start + half, rest - half) if right else (start, half)
    if len(rights) != len(path):
        return False
    found = leaf
    for right, other in zip(reversed(rights), path, strict=True):
        found = node_hash(other, found) if right else node_hash(found, other)
    return hmac.compare_digest(found, root)


def root_of(size: int, opened: Iterable[Opened], withheld: Iterable[Withheld]) -> bytes:
    """The root of a tree of `size` leaves of which some are opened and the others withheld.

    Every leaf must be told or withheld, once: raises ValueError where one is missing, told twice, or where a withheld subtree is
    none of such a tree. So whoever compares this root knows how many leaves are withheld.
    """
    if not 0 < size <= MOST_LEAVES:
        raise ValueError(f"a tree has from 1 to {MOST_LEAVES} leaves, not {size}")
    known: dict[tuple[int, int], bytes] = {}
    for one in opened:
        _put(known, (one.index, 1), leaf_hash(one.salt, one.leaf))
    for part in withheld:
        if len(part.hash) != HASH:
            raise ValueError(f"a hash has {HASH} bytes, not {len(part.hash)}")
        _put(known, (part.start, part.size), part.hash)
    starts = sorted(known)
    root, used = _from_parts(0, size, known, starts, 0)
    if used != len(known):
        raise ValueError("something is told that is no part of the tree")
    return root


def _put(known: dict[tuple[int, int], bytes], place: tuple[int, int], found: bytes) -> None:
    if place in known:
        raise ValueError(f"the leaves from {place[0]} on are told twice")
    known[place] = found


def _from_parts(
    start: int, size: int, known: Mapping[tuple[int, int], bytes], starts: Sequence[tuple[int, int]], used: int
) -> tuple[bytes, int]:
    """The hash over these leaves, and how many of the parts, which are in order, were used up to there."""
    if used < len(starts) and starts[used] == (start, size):
        return known[start, size], used + 1
    if size == 1 or used >= len(starts) or starts[used][0] >= start + size:
        raise ValueError(f"the leaf at {start} is neither told nor withheld")
    half = split(size)
    left, used = _from_parts(start, half, known, starts, used)
    right, used = _from_parts(start + half, size - half, known, starts, used)
    return node_hash(left, right), used

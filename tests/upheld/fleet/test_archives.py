"""Archives of runs' folders: whole ones come back as they were, and hostile ones leave nothing anywhere."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upheld.fleet import archives
from upheld.fleet.archives import NotPacked, pack_folder, unpack_folder

Entry = tuple[str, bytes, bytes]


def made(*entries: Entry, **more: str) -> bytes:
    """An archive of (name, kind, content) as anybody could make it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=tarfile.GNU_FORMAT) as archive:
        for name, kind, content in entries:
            info = tarfile.TarInfo(name)
            info.type = kind
            info.size = len(content) if kind == tarfile.REGTYPE else 0
            info.linkname = more.get("link", "")
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def regular(name: str, content: bytes = b"x") -> Entry:
    return name, tarfile.REGTYPE, content


def test_a_folder_comes_back_as_it_was(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "inputs" / "policy").mkdir(parents=True)
    (run / "run.json").write_bytes(b"{}" * 100_000)
    (run / "empty").write_bytes(b"")
    (run / "inputs" / "policy" / "000-policies.yaml").write_bytes(b"name: x\n")
    for left_out in ("previous/run.json", ".run.json.1234.part"):
        (run / left_out).parent.mkdir(exist_ok=True)
        (run / left_out).write_bytes(b"old")
    (run / "link").symlink_to("/etc/passwd")
    back = tmp_path / "targets" / "acme"
    back.mkdir(parents=True)
    (back / "stale").write_bytes(b"of an attempt before")
    unpack_folder(pack_folder(run), back)
    found = {path.relative_to(back).as_posix(): path.read_bytes() for path in back.rglob("*") if path.is_file()}
    assert found == {
        "run.json": b"{}" * 100_000,
        "empty": b"",
        "inputs/policy/000-policies.yaml": b"name: x\n",
    }
    assert pack_folder(tmp_path / "nothing") == b""


def test_no_more_is_packed_than_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        (tmp_path / f"file{number}").write_bytes(bytes(500))
    monkeypatch.setattr(archives, "MOST_FILES", 2)
    with pytest.raises(NotPacked, match="more than 2 files"):
        pack_folder(tmp_path)
    monkeypatch.setattr(archives, "MOST_FILES", 3)
    monkeypatch.setattr(archives, "LARGEST", 1400)
    with pytest.raises(NotPacked, match="larger than"):
        pack_folder(tmp_path)


@pytest.mark.parametrize(
    ("archive", "said"),
    [
        (b"", "ends early"),
        (b"no archive", "cannot be unpacked"),
        (gzip.compress(b"no archive"), "ends early"),
        (gzip.compress(b"n" * 512), "cannot be unpacked"),
        (made(regular("../evil")), "no plain name"),
        (made(regular("/tmp/evil")), "no plain name"),
        (made(regular("a/../../evil")), "no plain name"),
        (made(regular("a//b")), "no plain name"),
        (made(regular("./a")), "no plain name"),
        (made(regular(".hidden")), "no plain name"),
        (made(regular("a\nb")), "no plain name"),
        (made(regular("a\\b")), "no plain name"),
        (made(regular("a/" * 12 + "b")), "too long"),
        (made(regular("n" * 200)), "no regular file"),
        (made(regular("ä")), "cannot be unpacked"),
        (made(("link", tarfile.SYMTYPE, b""), link="/etc/passwd"), "no regular file"),
        (made(("link", tarfile.SYMTYPE, b""), regular("link/evil"), link="/tmp"), "no regular file"),
        (made(("link", tarfile.LNKTYPE, b""), link="../../evil"), "no regular file"),
        (made(("dev", tarfile.CHRTYPE, b"")), "no regular file"),
        (made(("pipe", tarfile.FIFOTYPE, b"")), "no regular file"),
        (made(("folder", tarfile.DIRTYPE, b"")), "no regular file"),
        (made(regular("a"), regular("a", b"y")), "cannot be unpacked"),
        (made(regular("a"), regular("a/b")), "cannot be unpacked"),
        (made(regular("a"))[:-20], "cannot be unpacked"),
        (made(regular("a"))[:-6] + bytes(6), "cannot be unpacked"),
        (made(regular("a")) + gzip.compress(b"more"), "behind the end"),
        (made(regular("a")) + gzip.compress(bytes(50_000)), "behind the end"),
    ],
    ids=lambda value: value if isinstance(value, str) else "archive",  # The bytes say when they were packed.
)
def test_hostile_archives_are_refused_whole(archive: bytes, said: str, tmp_path: Path) -> None:
    folder = tmp_path / "targets" / "acme"
    folder.mkdir(parents=True)
    (folder / "run.json").write_bytes(b"before")
    with pytest.raises(NotPacked, match=said):
        unpack_folder(archive, folder)
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()] == [
        "targets/acme/run.json"
    ]
    assert (folder / "run.json").read_bytes() == b"before"
    assert [path.name for path in folder.parent.iterdir()] == ["acme"]


def zeros(header: bytes, size: int) -> bytes:
    """A packed archive that begins so and goes on with very many zeros."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb") as stream:
        stream.write(header)
        for _ in range(size >> 20):
            stream.write(bytes(1 << 20))
    return packed.getvalue()


def header(kind: bytes, size: int) -> bytes:
    info = tarfile.TarInfo("bomb")
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_SPARSE])
def test_a_bomb_is_refused_by_its_head(kind: bytes, tmp_path: Path) -> None:
    bomb = zeros(header(kind, 8 << 30), 8 << 20)
    with pytest.raises(NotPacked, match=r"no regular file|larger than 512 MiB"):
        unpack_folder(bomb, tmp_path / "acme")
    assert not list(tmp_path.iterdir())


def test_many_small_files_and_a_large_archive_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_FILES", 3)
    with pytest.raises(NotPacked, match="more than 3 files"):
        unpack_folder(made(*(regular(f"f{number}") for number in range(4))), tmp_path / "acme")
    monkeypatch.setattr(archives, "LARGEST_PACKED", 50)
    with pytest.raises(NotPacked, match="the archive is larger"):
        unpack_folder(made(regular("a")), tmp_path / "acme")


@given(st.data())
def test_damage_never_writes_elsewhere(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    tmp_path = tmp_path_factory.mktemp("damaged")
    plain = bytearray(gzip.decompress(made(regular("run.json", b"{}" * 300), regular("inputs/a"))))
    for _ in range(data.draw(st.integers(1, 4))):
        plain[data.draw(st.integers(0, 2047))] = data.draw(st.integers(0, 255))
    try:
        unpack_folder(gzip.compress(bytes(plain)), tmp_path / "acme")
    except NotPacked:
        assert not list(tmp_path.iterdir())
    else:
        assert [path.name for path in tmp_path.iterdir()] == ["acme"]

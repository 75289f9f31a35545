"""Uploads in parts that a client sends to the S3 server itself, by addresses that we sign."""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import s3fs

from data.storage.s3_session import S3Session


class PartUploads:
    """Multipart uploads of one bucket. What is begun and neither completed nor aborted is swept away by the store."""

    def __init__(self, session: S3Session, place: Callable[[str], dict[str, str]]) -> None:
        self._session = session
        self._place = place

    def begin(self, key: str) -> str:
        """Begin an upload and return the server's name of it."""
        answer = self._call(key, "create_multipart_upload", ContentType="application/octet-stream")
        return str(answer["UploadId"])

    def addresses(self, key: str, parts_id: str, numbers: Iterable[int], expires_seconds: int) -> list[str]:
        """Return an address for each part, to which its bytes are PUT without credentials."""
        place = {**self._place(key), "UploadId": parts_id}

        async def work(fs: s3fs.S3FileSystem) -> list[str]:
            client = await fs.set_session()
            return [
                str(
                    await client.generate_presigned_url(
                        "upload_part", Params={**place, "PartNumber": number}, ExpiresIn=expires_seconds
                    )
                )
                for number in numbers
            ]

        return self._session.run(key, work)

    def sizes(self, key: str, parts_id: str) -> dict[int, tuple[str, int]]:
        """Return etag and size in bytes of the parts that have arrived, by number.

        Raises:
            ObjectMissingError: There is no such upload, or it has ended.
        """
        found: dict[int, tuple[str, int]] = {}
        marker: dict[str, int] = {}
        while True:
            answer = self._call(key, "list_parts", UploadId=parts_id, **marker)
            for part in answer.get("Parts") or []:
                found[int(part["PartNumber"])] = (str(part["ETag"]).strip('"'), int(part["Size"]))
            if not answer.get("IsTruncated"):
                return found
            marker = {"PartNumberMarker": int(answer["NextPartNumberMarker"])}

    def complete(self, key: str, parts_id: str, etags: Iterable[tuple[int, str]]) -> None:
        """Make the object of its parts."""
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in etags]
        self._call(key, "complete_multipart_upload", UploadId=parts_id, MultipartUpload={"Parts": parts})

    def abort(self, key: str, parts_id: str) -> None:
        """Give an upload up and free what has arrived.

        Raises:
            ObjectMissingError: There is no such upload, or it has ended.
        """
        self._call(key, "abort_multipart_upload", UploadId=parts_id)

    def _call(self, key: str, method: str, **arguments: Any) -> Any:
        place = self._place(key)

        def work(fs: s3fs.S3FileSystem) -> Coroutine[Any, Any, Any]:
            return fs._call_s3(method, **place, **arguments)  # type: ignore[no-any-return]

        return self._session.run(key, work)

"""Decodes the body of an answer to the end of its compressed data: httpx takes a cut one for whole, and reads only the
first of several gzip members."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

_WINDOW = {"gzip": 31, "deflate": 15}
_RAW_DEFLATE = -15
_GZIP = b"\x1f\x8b"


async def decoded(response: httpx.Response) -> AsyncIterator[bytes]:
    """The pieces of the body; httpx.DecodingError if its compressed data are broken or end too soon."""
    import httpx

    coding = response.headers.get("content-encoding", "").strip().lower()
    if coding not in _WINDOW:
        async for piece in response.aiter_bytes():
            yield piece
        return
    inflater = _Inflater(coding)
    try:
        async for piece in response.aiter_raw():
            yield inflater.take(piece)
        inflater.end()
    except zlib.error as error:
        raise httpx.DecodingError(str(error), request=response.request) from error


class _Inflater:
    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._data = zlib.decompressobj(_WINDOW[coding])
        self._begun = False

    def take(self, piece: bytes) -> bytes:
        """What this piece of compressed data holds."""
        found = b""
        while piece:
            if self._data.eof:
                if not piece.strip(b"\0"):  # padding
                    break
                if self._coding != "gzip" or not piece.startswith(_GZIP[: len(piece)]):
                    raise zlib.error(f"something follows its {self._coding} data")
                self._data = zlib.decompressobj(_WINDOW[self._coding])
            found += self._decompressed(piece)
            piece = self._data.unused_data
        return found

    def _decompressed(self, piece: bytes) -> bytes:
        first, self._begun = not self._begun, True
        try:
            return self._data.decompress(piece)
        except zlib.error:
            if not first or self._coding != "deflate":
                raise
            self._data = zlib.decompressobj(_RAW_DEFLATE)  # what many servers call deflate
            return self._data.decompress(piece)

    def end(self) -> None:
        """zlib.error if the data go on."""
        if self._begun and not self._data.eof:
            raise zlib.error(f"its {self._coding} data end too soon")

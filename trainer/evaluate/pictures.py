"""Pictures and videos to pixels, the last ones kept: a support stands in many prompts."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor

from m3w.model import FlamingoProcessor
from m3w.trainer.evaluate.example import Media
from m3w.trainer.evaluate.media import UnreadableMediaError, read_frames

KEPT_BYTES = 512 * 2**20


class Pictures:
    """Pixels as the processor's model takes them; what cannot be read is remembered with its reason."""

    def __init__(self, processor: FlamingoProcessor, frames: int) -> None:
        self.processor, self.frames, self.size = processor, frames, processor.image_size
        self.unreadable: dict[str, str] = {}
        """Path and reason."""
        self._kept: OrderedDict[Media, Tensor] = OrderedDict()
        self._bytes = 0

    def pixels(self, media: Media) -> Tensor:
        """frames_TCHW, T = 1 of a picture. Raises UnreadableMediaError, each time it is asked for."""
        if media.path in self.unreadable:
            raise UnreadableMediaError(self.unreadable[media.path])
        if media not in self._kept:
            self._keep(media, self._read(media))
        self._kept.move_to_end(media)
        return self._kept[media]

    def is_readable(self, media: Media) -> bool:
        try:
            self.pixels(media)
        except UnreadableMediaError:
            return False
        return True

    def _read(self, media: Media) -> Tensor:
        try:
            return self.processor.pixels(read_frames(media, size=self.size, frames=self.frames))
        except UnreadableMediaError as error:
            self.unreadable[media.path] = " ".join(str(error).split())
            raise

    def _keep(self, media: Media, pixels: Tensor) -> None:
        self._kept[media] = pixels
        self._bytes += pixels.nbytes
        while self._bytes > KEPT_BYTES and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.nbytes

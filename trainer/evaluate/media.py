"""Pictures and frames of videos, as PIL images.

What cannot be read raises UnreadableMediaError: the caller counts and names it, and never puts a blank in its place.
"""

from __future__ import annotations

import io

import av
import fsspec
import numpy as np
from PIL import Image

from m3w.model.processor import fit
from m3w.trainer.data.images import UndecodableImageError, decode_image
from m3w.trainer.data.video import frames_at, timed_frames, upright, video_seconds
from m3w.trainer.evaluate.tasks.classification import CIFAR_RECORD, CIFAR_SIDE
from m3w.trainer.evaluate.tasks.source import Media

VIDEOS = (".mp4", ".avi", ".mkv", ".webm", ".mov", ".m4v", ".mpg", ".mpeg", ".flv", ".3gp", ".ogv", ".wmv")


class UnreadableMediaError(ValueError):
    """A picture or video that is missing or damaged."""


def is_video(media: Media) -> bool:
    return media.path.lower().endswith(VIDEOS)


def read_frames(media: Media, *, size: int, frames: int) -> list[Image.Image]:
    """RGB images, the longer side `size` pixels: one of a picture, `frames` of a video, evenly spaced in its segment.

    Raises UnreadableMediaError.
    """
    if is_video(media):
        return [fit(frame, size) for frame in video_frames(media, frames)]
    try:
        return [Image.fromarray(np.asarray(decode_image(read_bytes(media), size)))]
    except UndecodableImageError as error:
        raise UnreadableMediaError(f"{media.path} does not decode ({error})") from error


def read_bytes(media: Media) -> bytes:
    """The picture's or video's bytes."""
    if media.content is not None:
        return media.content
    try:
        with fsspec.open(media.path, "rb") as file:
            if media.offset is None:
                return bytes(file.read())
            file.seek(media.offset)
            return _cifar_png(bytes(file.read(CIFAR_RECORD)))
    except OSError as error:
        raise UnreadableMediaError(f"{media.path} cannot be read ({type(error).__name__}: {error})") from error


def _cifar_png(record: bytes) -> bytes:
    if len(record) != CIFAR_RECORD:
        raise UnreadableMediaError(f"a record of {len(record)} bytes, not {CIFAR_RECORD}")
    pixels = np.frombuffer(record, np.uint8, offset=1).reshape(3, CIFAR_SIDE, CIFAR_SIDE).transpose(1, 2, 0)
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG")
    return file.getvalue()


def video_frames(media: Media, frames: int) -> list[Image.Image]:
    """`frames` pictures at the middles of as many equal parts of the segment; fewer in the file are repeated.

    The frame shown at a time is the last one at or before it. Raises UnreadableMediaError.
    """
    try:
        with av.open(io.BytesIO(read_bytes(media))) as file:
            stream = file.streams.video[0]
            stream.thread_type = "AUTO"
            start, end = media.start or 0.0, media.end
            if end is None:
                end = video_seconds(file, stream)
            if end is None:
                raise UnreadableMediaError("the video does not say how long it is")
            times = [start + (end - start) * (number + 0.5) / frames for number in range(frames)]
            shown = list(frames_at(timed_frames(file, stream, start), times))
            if not shown:
                raise UnreadableMediaError("the video has no frame in its segment")
            pictures = [Image.fromarray(upright(frame, frame.to_ndarray(format="rgb24"))) for frame in shown]
            return pictures + [pictures[-1]] * (frames - len(pictures))
    except UnreadableMediaError:
        raise
    except Exception as error:  # FFmpeg's readers raise whatever the bytes lead them to
        raise UnreadableMediaError(f"{media.path} does not decode ({type(error).__name__}: {error})") from error

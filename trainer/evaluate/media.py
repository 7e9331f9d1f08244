"""Pictures and frames of videos, as PIL images.

What cannot be read raises UnreadableMediaError: the caller counts and names it, and never puts a blank in its place.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import fsspec
import numpy as np
from PIL import Image

from m3w.model.processor import fit
from m3w.recipes.errors import InputError
from m3w.trainer.data.images import UndecodableImageError, decode_image
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
    av = _pyav()
    try:
        with av.open(io.BytesIO(read_bytes(media))) as file:
            stream = file.streams.video[0]
            stream.thread_type = "AUTO"
            start, end = media.start or 0.0, media.end
            if end is None:
                end = _seconds(file, stream)
            times = [start + (end - start) * (at + 0.5) / frames for at in range(frames)]
            return _frames_at(_timed_frames(file, stream, start), times)
    except UnreadableMediaError:
        raise
    except Exception as error:  # FFmpeg's readers raise whatever the bytes lead them to
        raise UnreadableMediaError(f"{media.path} does not decode ({type(error).__name__}: {error})") from error


def _pyav() -> Any:
    try:
        import av
    except ImportError as error:
        raise InputError("videos are read by PyAV, which is not installed; pip install av") from error
    return av


def _seconds(file: Any, stream: Any) -> float:
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    if file.duration is not None:
        return float(file.duration / 1_000_000)
    raise UnreadableMediaError("the video does not say how long it is")


def _timed_frames(file: Any, stream: Any, start: float) -> Iterator[tuple[float, Any]]:
    """Seconds from the video's beginning, and frames, from the key frame before `start` on."""
    first = float((stream.start_time or 0) * stream.time_base)
    if start > 0:
        file.seek(int((start + first) / stream.time_base), stream=stream)
    for frame in file.decode(stream):
        if frame.pts is not None:
            yield float(frame.pts * stream.time_base) - first, frame


def _frames_at(found: Iterator[tuple[float, Any]], times: list[float]) -> list[Image.Image]:
    shown: list[Any] = []
    last: Any = None
    for time, frame in found:
        while last is not None and len(shown) < len(times) and times[len(shown)] < time:
            shown.append(last)
        last = frame
        if len(shown) == len(times):
            break
    if last is None:
        raise UnreadableMediaError("the video has no frame in its segment")
    shown += [last] * (len(times) - len(shown))
    return [_upright(frame) for frame in shown]


def _upright(frame: Any) -> Image.Image:
    picture: Image.Image = frame.to_image()
    turned = int(getattr(frame, "rotation", 0))
    return picture.rotate(turned, expand=True) if turned else picture

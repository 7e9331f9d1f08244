"""Bytes of a video to frames: T of them at a fixed rate from a start drawn at random; and the reader of frames itself.

Flamingo (arXiv 2204.14198, appendix A.3.2): T = 8 frames at 1 frame per second. A video that is too short repeats its
last frame, so that every sample has T frames (our choice; the paper does not say).

Decoding is PyAV's: its wheel brings FFmpeg, where torchcodec needs FFmpeg's libraries on the machine and one version of
torch.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import av
import numpy as np

from m3w.trainer.data.images import MAX_PIXELS, Picture, fitted

MAX_FRAMES_DECODED = 10_000
"""Decoding stops with an error after so many frames: the video has no usable time stamps or key frames."""

TimedFrame = tuple[float, Any]
"""Seconds from the beginning of the video, and PyAV's frame."""


class UndecodableVideoError(ValueError):
    """Bytes that are not a video, or a damaged one. The loader counts the sample and replaces it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFormat:
    """Which frames of a video are used."""

    frames: int = 8
    """T."""
    per_second: float = 1.0


def decode_video(content: bytes, size: int, video_format: VideoFormat, draw: random.Random) -> list[Picture]:
    """T frames, upright, their longer side `size` pixels. Raises UndecodableVideoError.

    A frame is the one on screen at its time. The first time is drawn evenly from those that leave room for all frames;
    it is 0 in a video without such room.
    """
    count, per_second = video_format.frames, video_format.per_second
    try:
        with av.open(BytesIO(content)) as container:
            if not container.streams.video:
                raise UndecodableVideoError("there is no video in it, only sound")
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1  # loader workers run in parallel
            if stream.width * stream.height > MAX_PIXELS:
                raise UndecodableVideoError(f"{stream.width} x {stream.height} pixels, more than {MAX_PIXELS:,}")
            room = (video_seconds(container, stream) or 0.0) - (count - 1) / per_second
            start = draw.uniform(0, room) if room > 0 else 0.0
            times = [start + number / per_second for number in range(count)]
            aspect = float(stream.sample_aspect_ratio or 1)
            timed = _undamaged(timed_frames(container, stream, start))
            shown = [_picture(frame, size, aspect) for frame in frames_at(timed, times)]
    except UndecodableVideoError:
        raise
    except (av.FFmpegError, ValueError, OverflowError, MemoryError) as error:
        raise UndecodableVideoError(f"{type(error).__name__}: {error}") from error
    if not shown:
        raise UndecodableVideoError("no frame of it decodes")
    return shown + [shown[-1]] * (count - len(shown))


def video_seconds(container: Any, stream: Any) -> float | None:
    """The duration of a video; None if the file does not say."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / int(av.time_base) if container.duration else None


def timed_frames(container: Any, stream: Any, start: float) -> Iterator[TimedFrame]:
    """The frames from the key frame before `start` (seconds) on, with their times. Some may be damaged."""
    begin = float(stream.start_time * stream.time_base) if stream.start_time else 0.0
    if start > 0:
        container.seek(math.floor((begin + start) / stream.time_base), stream=stream)
    for number, frame in enumerate(container.decode(stream)):
        yield number / float(stream.average_rate or 25) if frame.time is None else frame.time - begin, frame


def frames_at(timed: Iterable[TimedFrame], times: Sequence[float]) -> Iterator[Any]:
    """The frames on screen at `times` (seconds, ascending): at each the last frame that is not later, or the first.

    Fewer than `times` if the video ends before: the last of them is then its last frame.
    """
    pending, previous = list(times), None
    for time, frame in timed:
        while pending and time > pending[0]:
            yield frame if previous is None else previous
            pending.pop(0)
        if not pending:
            return
        previous = frame
    if previous is not None and pending:
        yield previous


def upright(frame: Any, pixels: Picture) -> Picture:
    """`pixels` of `frame`, turned by the rotation that the video states."""
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90) % 4))


def _undamaged(timed: Iterable[TimedFrame]) -> Iterator[TimedFrame]:
    for number, (time, frame) in enumerate(timed):
        if frame.is_corrupt or number > MAX_FRAMES_DECODED:
            raise UndecodableVideoError(f"frame {number} is damaged, or there is no end of frames")
        yield time, frame


def _picture(frame: Any, size: int, aspect: float) -> Picture:
    """Scaled by FFmpeg during conversion, with square pixels, upright."""
    width, height = fitted(round(frame.width * aspect), frame.height, size)
    scaled = frame.reformat(width=width, height=height, format="rgb24", interpolation="AREA")
    return upright(frame, scaled.to_ndarray())

"""Bytes of a video to frames: T of them at a fixed rate from a place drawn at random.

Flamingo (arXiv 2204.14198, appendix A.3.2): T = 8 frames at 1 frame per second. A video that is too short for them
holds its last frame, so that every sample has T frames (our choice; the paper does not say).

Decoding is PyAV's: its wheel brings FFmpeg, where torchcodec asks for FFmpeg's libraries on the machine and for one
version of torch.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import av
import numpy as np

from m3w.trainer.data.images import MAX_PIXELS, Picture, fitted

MAX_FRAMES_DECODED = 10_000
"""A video without usable time stamps or key frames is given up after so many."""


class UndecodableVideoError(ValueError):
    """Bytes that are not a video, or a damaged one: the loader skips the sample and counts it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoForm:
    """Which frames of a video are seen."""

    frames: int = 8
    """T."""
    per_second: float = 1.0


def decode_video(content: bytes, size: int, form: VideoForm, draw: random.Random) -> list[Picture]:
    """T frames, upright, their longer side `size` pixels. Raises UndecodableVideoError.

    A frame is the one on screen at its moment. The first moment is drawn evenly from those that leave room for all
    frames, and 0 in a video without such room.
    """
    try:
        with av.open(BytesIO(content)) as container:
            if not container.streams.video:
                raise UndecodableVideoError("there is no video in it, only sound")
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1  # loader workers are the parallelism
            if stream.width * stream.height > MAX_PIXELS:
                raise UndecodableVideoError(f"{stream.width} x {stream.height} pixels, more than {MAX_PIXELS:,}")
            seconds = _seconds(container, stream)
            room = seconds - (form.frames - 1) / form.per_second
            start = draw.uniform(0, room) if room > 0 else 0.0
            moments = [start + number / form.per_second for number in range(form.frames)]
            aspect = float(stream.sample_aspect_ratio or 1)
            shown = [_picture(frame, size, aspect) for frame in _shown_at(container, stream, moments)]
    except UndecodableVideoError:
        raise
    except (av.FFmpegError, ValueError, OverflowError, MemoryError) as error:
        raise UndecodableVideoError(f"{type(error).__name__}: {error}") from error
    if not shown:
        raise UndecodableVideoError("no frame of it decodes")
    return shown + [shown[-1]] * (form.frames - len(shown))


def _seconds(container: Any, stream: Any) -> float:
    """How long it lasts; 0 where it does not say."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    microseconds: int = container.duration or 0
    return microseconds / int(av.time_base)


def _shown_at(container: Any, stream: Any, moments: list[float]) -> Iterator[Any]:
    """The frames on screen at `moments` (seconds, rising); those behind the last frame have none."""
    begin = float(stream.start_time * stream.time_base) if stream.start_time else 0.0
    if moments[0] > 0:
        container.seek(math.floor((begin + moments[0]) / stream.time_base), stream=stream)
    waiting, before = list(moments), None
    for number, frame in enumerate(container.decode(stream)):
        if frame.is_corrupt or number > MAX_FRAMES_DECODED:
            raise UndecodableVideoError(f"frame {number} is damaged, or there is no end of frames")
        moment = number / float(stream.average_rate or 25) if frame.time is None else frame.time - begin
        while waiting and moment > waiting[0]:
            yield frame if before is None else before
            waiting.pop(0)
        if not waiting:
            return
        before = frame
    if before is not None and waiting:  # the last frame stays on screen for its own time, and then as filling
        yield before


def _picture(frame: Any, size: int, aspect: float) -> Picture:
    """Scaled by FFmpeg as it is converted; pixels that are not square are made so, and what lies is turned upright."""
    width, height = fitted(round(frame.width * aspect), frame.height, size)
    scaled = frame.reformat(width=width, height=height, format="rgb24", interpolation="AREA")
    quarters = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(scaled.to_ndarray(), quarters))

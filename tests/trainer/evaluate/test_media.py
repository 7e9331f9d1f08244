"""Frames of real videos, and what is done where there is none."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from m3w.trainer.evaluate.media import UnreadableMediaError, read_frames, video_frames
from m3w.trainer.evaluate.tasks.source import Media


def test_frames_are_taken_evenly_over_a_segment(shared_data: Path) -> None:
    pytest.importorskip("av")
    path = str(shared_data / "video/mmaction2/demo/demo.mp4")
    whole = read_frames(Media(path=path), size=64, frames=4)
    assert len(whole) == 4 and all(max(frame.size) == 64 for frame in whole)
    half = read_frames(Media(path=path, start=0.0, end=5.0), size=64, frames=4)
    late = read_frames(Media(path=path, start=5.0, end=10.0), size=64, frames=4)
    first, second, third = (np.asarray(frames[0], dtype=float) for frames in (half, late, whole))
    assert np.abs(first - second).mean() > 2 and np.abs(first - third).mean() < np.abs(first - second).mean()


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_a_turned_video_is_shown_as_opencv_shows_it(shared_data: Path, angle: int) -> None:
    pytest.importorskip("av")
    path = str(shared_data / f"video/decord/tests/test_data/video_{angle}.mov")
    (ours,) = video_frames(Media(path=path), 1)
    file, theirs = cv2.VideoCapture(path), []
    while (read := file.read())[0]:
        theirs.append(np.asarray(read[1])[..., ::-1])
    assert any(np.array_equal(np.asarray(ours), frame) for frame in theirs)


def test_what_cannot_be_read_is_an_error_with_its_name(shared_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("av")
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "text.jpg").write_text("no picture")
    for name in ("text.mp4", "text.jpg", "absent.jpg", "absent.mp4"):
        with pytest.raises(UnreadableMediaError, match=name):
            read_frames(Media(path=str(tmp_path / name)), size=32, frames=2)

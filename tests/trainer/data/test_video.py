"""Frames of a video at a fixed rate; what is damaged is counted, what is short holds its last frame."""

from __future__ import annotations

import io
import random
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import webdataset

from m3w.trainer.data.batch_slots import BatchSlotDataset, SampleFormat
from m3w.trainer.data.images import PixelFormat
from m3w.trainer.data.order import SampleAddress, SampleOrder
from m3w.trainer.data.pairs import VIDEO_SUFFIXES, PairReader
from m3w.trainer.data.video import UndecodableVideoError, VideoFormat, decode_video
from m3w.trainer.data.windows import SpecialTokens

CLIPS = Path(__file__).parents[4] / "shared/data/video"
FORMAT = VideoFormat(frames=4, per_second=1.0)


def clip(seconds: int, *, rate: int = 5, size: tuple[int, int] = (64, 32)) -> bytes:
    """A video whose brightness is 20 times the second that it shows."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.gop_size = 12
        for number in range(seconds * rate):
            picture = np.full((size[1], size[0], 3), 20 * (number // rate), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


def seconds_shown(content: bytes, seed: int, form: VideoFormat = FORMAT) -> list[int]:
    frames = decode_video(content, 32, form, random.Random(seed))
    return [round(float(frame.mean()) / 20) for frame in frames]


def test_frames_are_a_second_apart_from_a_place_drawn_at_random():
    content = clip(9)
    found = [seconds_shown(content, seed) for seed in range(12)]
    assert all([second - shown[0] for second in shown] == [0, 1, 2, 3] for shown in found)
    assert len({shown[0] for shown in found}) >= 4
    assert max(shown[-1] for shown in found) <= 8


def test_the_rate_is_the_recipes():
    shown = seconds_shown(clip(9), 0, VideoFormat(frames=4, per_second=0.5))
    assert [second - shown[0] for second in shown] == [0, 2, 4, 6]


def test_a_video_that_is_too_short_holds_its_last_frame():
    assert seconds_shown(clip(2), 0) == [0, 1, 1, 1]


def test_frames_keep_their_aspect_and_the_longer_side_fits():
    assert decode_video(clip(1), 48, FORMAT, random.Random(0))[0].shape == (24, 48, 3)


@pytest.mark.parametrize("content", [b"", b"no video", clip(2)[:200], b"\x00" * 500])
def test_what_is_no_video_is_an_error(content):
    with pytest.raises(UndecodableVideoError):
        decode_video(content, 32, FORMAT, random.Random(0))


def write_videos(folder: Path, contents: list[bytes]) -> PairReader:
    """A tar as video2dataset writes it."""
    with webdataset.TarWriter(str(folder / "00000.tar")) as writer:
        for number, content in enumerate(contents):
            writer.write({"__key__": f"{number:05d}", "mp4": content, "txt": f"clip {number}", "json": {"fps": 5}})
    reader = PairReader([str(folder / "*.tar")], folder / "indexes", suffixes=VIDEO_SUFFIXES)
    reader.make_indexes()
    return reader


SAMPLES = SampleFormat(
    tokenize=lambda text: [ord(letter) for letter in text],
    special=SpecialTokens(image=1, end_of_chunk=2, end_of_text=3),
    pixels=PixelFormat(size=32, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
    padding=3,
    tokens=16,
    images=1,
    p_next=0.0,
    start_at_image=True,
    video=FORMAT,
)


def slot_dataset(reader: PairReader, form: SampleFormat = SAMPLES, batch_size: int = 3) -> BatchSlotDataset:
    order = SampleOrder(reader.shard_sizes, seed=1)
    return BatchSlotDataset(
        reader, order, form, batch_size=batch_size, batch_slots=range(batch_size), micro_batch_size=8
    )


def test_a_batch_of_videos_has_their_frames(tmp_path):
    batch = slot_dataset(write_videos(tmp_path, [clip(3), clip(5), clip(1)]))[0]
    inputs = batch.inputs()
    assert inputs["pixel_values"].shape == (3, 4, 3, 32, 32)
    assert inputs["image_counts"].tolist() == [1, 1, 1]
    assert not inputs["pixel_values"][:, :, :, :8].any(), "padded above: twice as wide as high"


def test_a_damaged_video_is_replaced_and_counted(tmp_path):
    whole = clip(3)
    found = slot_dataset(write_videos(tmp_path, [whole, whole[: len(whole) // 2], whole]))
    batches = [found[item] for item in range(3)]
    assert all(batch.pixel_values.shape[:2] == (3, 4) for batch in batches)
    assert all("00001-0000" not in batch.keys for batch in batches)
    assert all(batch.skipped["undecodable_video"] >= 1 for batch in batches)


def test_all_frames_of_a_video_are_changed_alike(tmp_path):
    reader = write_videos(tmp_path, [clip(1)])
    form = replace(SAMPLES, flip=True, colour=True)
    for seed in range(5):
        sample = form.sample(form.tokenized(reader.read(SampleAddress(0, 0)), random.Random(seed)))
        assert len({frame.tobytes() for frame in sample.pictures[0]}) == 1


@pytest.mark.skipif(not CLIPS.is_dir(), reason="the shared video files are not here")
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("decord/tests/test_data/video_0.mov", (18, 32)),
        ("decord/tests/test_data/video_90.mov", (32, 18)),
        ("torchcodec/test/resources/av1_video.mkv", (18, 32)),
        ("torchcodec/test/resources/h264_10bits.mp4", (32, 32)),
        ("torchcodec/test/resources/h265_video.mp4", (32, 32)),
        ("mmaction2/tests/data/test.avi", (24, 32)),
    ],
)
def test_real_clips_of_every_kind_decode_upright(name, shape):
    frames = decode_video((CLIPS / name).read_bytes(), 32, FORMAT, random.Random(0))
    assert [frame.shape[:2] for frame in frames] == [shape] * 4
    assert all(frame.std() > 2 for frame in frames)


@pytest.mark.skipif(not CLIPS.is_dir(), reason="the shared video files are not here")
def test_a_real_damaged_clip_is_an_error():
    with pytest.raises(UndecodableVideoError):
        decode_video((CLIPS / "decord/tests/test_data/corrupted.mp4").read_bytes(), 32, FORMAT, random.Random(0))

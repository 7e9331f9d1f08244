"""Video references: what a page says of its videos, as nodes of their own kind.

A video stands in `images` like a picture, with the status `video`, so that nothing fetches it as an
image: `url` is the file or the player's page, `mime` its declared type if it is a file.
"""

from __future__ import annotations

import re

from m3w.pipeline.extract.blocks import Video
from m3w.pipeline.extract.left_out import LeftOut
from m3w.pipeline.extract.urls import RejectedUrlError, resolve
from m3w.schemas.document import VIDEO, ImageReference

_PLAYER = re.compile(
    r"//(?:[\w-]+\.)*(?:youtube(?:-nocookie)?\.com/(?:embed|v)/|youtu\.be/|player\.vimeo\.com/|dailymotion\.com/(?:embed|swf)/|"
    r"geo\.dailymotion\.com/player|player\.twitch\.tv/|clips\.twitch\.tv/embed|facebook\.com/plugins/video|tiktok\.com/embed|"
    r"streamable\.com/|(?:fast\.)?wistia\.(?:net|com)/embed|players\.brightcove\.net/|content\.jwplatform\.com/|"
    r"cdn\.jwplayer\.com/|rutube\.ru/(?:play/)?embed|vk\.com/video_ext|ok\.ru/videoembed|player\.bilibili\.com/|"
    r"v\.qq\.com/|player\.youku\.com/embed|ted\.com/talks|loom\.com/embed|archive\.org/embed|peertube|rumble\.com/embed)",
    re.IGNORECASE,
)
_TYPE_OF_SUFFIX = {
    "mp4": "video/mp4", "m4v": "video/mp4", "webm": "video/webm", "ogv": "video/ogg", "mov": "video/quicktime",
    "m3u8": "application/vnd.apple.mpegurl",
}  # fmt: skip
_SUFFIX = re.compile(r"\.([a-z0-9]{2,4})\Z", re.IGNORECASE)
_YOUTUBE_NAME = re.compile(r"[\w-]{6,20}\Z")


def video_reference(video: Video, base: str, left_out: LeftOut) -> ImageReference | None:
    """The reference of `video`; None if it is another kind of embed, or has no address, of which `left_out` is told."""
    addresses = _addresses(video)
    if not addresses:
        return None
    reason = "video_without_address"
    for address, mime in addresses:
        try:
            url = resolve(base, address)
        except RejectedUrlError as error:
            reason = str(error)
            continue
        return ImageReference(url=url, alt=_title(video), mime=mime or _type(url), status=VIDEO)
    left_out.add(reason, addresses[-1][0])
    return None


def _addresses(video: Video) -> list[tuple[str, str | None]]:
    """`(address, declared type)` of a video file, or of a page that is known to play one."""
    attributes = video.attributes
    if video.name == "amp-youtube":
        name = attributes.get("data-videoid") or ""
        return [(f"https://www.youtube.com/embed/{name}", None)] if _YOUTUBE_NAME.match(name) else []
    if video.name == "amp-vimeo":
        name = attributes.get("data-videoid") or ""
        return [(f"https://player.vimeo.com/video/{name}", None)] if name.isdigit() else []
    names = ("src", "data-src", "data-lazy-src", "data")
    src = next((value for name in names if (value := attributes.get(name))), "")
    if video.name in ("video", "amp-video"):
        found = [(src, attributes.get("type"))] if src else []
        return found + [(source.get("src") or "", source.get("type")) for source in video.sources] or [("", None)]
    return [(src, None)] if _PLAYER.search(src[:200]) else []


def _title(video: Video) -> str | None:
    title = video.attributes.get("title") or video.attributes.get("aria-label") or ""
    return " ".join(title.split()) or None


def _type(url: str) -> str | None:
    suffix = _SUFFIX.search(url.split("?", 1)[0])
    return _TYPE_OF_SUFFIX.get(suffix[1].lower()) if suffix else None

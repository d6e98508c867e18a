"""The layers of real networks: their names, options and sizes, as published or as common implementations have them.

A row is a name and the geometry of a spec: ``c64h56w56o128k3s2p1`` has 64 channels of 56 x 56 pixels, 128 filters of
3 x 3, stride 2 and padding 1. Networks that differ in nothing but their depth have one row. The columns of the
convolutions are those that im2col and col2im are asked for.
"""

from dataclasses import dataclass, replace
from functools import cache

from convgate.cases.spec import parse_spec
from convgate.problems.problem import Problem

__all__ = ["Layer", "layers_of"]

CONVOLUTIONS = (
    # dense 3x3
    ("VGG-16 conv1_1", "c3h224w224o64k3p1+bias"),
    ("VGG-16 conv1_2", "c64h224w224o64k3p1+bias"),
    ("VGG-16 conv2_1", "c64h112w112o128k3p1+bias"),
    ("VGG-16 conv5_1", "c512h14w14o512k3p1+bias"),
    ("AlexNet conv3", "c192h13w13o384k3p1+bias"),
    ("GoogLeNet 3a 3x3", "c96h28w28o128k3p1"),
    ("ResNet-18 layer1", "c64h56w56o64k3p1"),
    ("ResNet-20 stem", "c3h32w32o16k3p1"),
    ("ResNet-50 layer4 3x3", "c512h7w7o512k3p1"),
    ("DenseNet-121 3x3", "c128h56w56o32k3p1"),
    ("SqueezeNet expand 3x3", "c16h54w54o64k3p1+bias"),
    ("U-Net first", "c1h572w572o64k3+bias"),
    ("U-Net second", "c64h570w570o64k3+bias"),
    ("Inception-v3 2a", "c32h149w149o32k3"),
    ("Faster R-CNN RPN", "c512h38w50o512k3p1+bias"),
    ("FPN smooth", "c256h56w56o256k3p1+bias"),
    ("YOLOv3 stem", "c3h416w416o32k3p1"),
    ("EDSR body", "c64h48w48o64k3p1+bias"),
    ("AlphaZero stem", "c17h19w19o256k3p1"),
    ("Stable Diffusion conv_in", "c4h64w64o320k3p1+bias"),
    ("DQN third", "c64h9w9o64k3+bias"),
    ("SSD conv10_2", "c128h5w5o256k3+bias"),
    # 3x3 with a stride
    ("ResNet-18 layer2 first", "c64h56w56o128k3s2p1"),
    ("ResNet-20 stage 2", "c16h32w32o32k3s2p1"),
    ("ResNet-50 layer3 3x3", "c256h28w28o256k3s2p1"),
    ("MobileNet stem", "c3h224w224o32k3s2p1"),
    ("YOLOv3 downsampling", "c32h416w416o64k3s2p1"),
    ("SSD conv8_2", "c256h19w19o512k3s2p1+bias"),
    ("RetinaNet P6", "c2048h25w25o256k3s2p1+bias"),
    ("CycleGAN downsampling", "c64h256w256o128k3s2p1+bias"),
    ("SegFormer patches 2", "c32h56w56o64k3s2p1+bias"),
    ("Stable Diffusion downsampling", "c320h64w64o320k3s2p1+bias"),
    ("Inception-v3 1a", "c3h299w299o32k3s2"),
    ("Inception-v3 6a", "c288h35w35o384k3s2"),
    ("SqueezeNet 1.1 conv1", "c3h224w224o64k3s2+bias"),
    # dilated
    ("DeepLabv3 layer3", "c256h28w28o256k3p2d2"),
    ("DeepLabv3 layer4", "c512h28w28o512k3p4d4"),
    ("DeepLabv3 ASPP 6", "c2048h14w14o256k3p6d6"),
    ("DeepLabv3 ASPP 12", "c2048h14w14o256k3p12d12"),
    ("DeepLabv3 ASPP 18", "c2048h14w14o256k3p18d18"),
    ("DeepLabv2 conv5", "c512h41w41o512k3p2d2+bias"),
    ("DeepLabv2 ASPP 24", "c2048h41w41o21k3p24d24+bias"),
    ("SSD fc6", "c512h19w19o1024k3p6d6+bias"),
    ("context module 2", "c21h64w64o21k3p2d2+bias"),
    ("context module 4", "c21h64w64o21k3p4d4+bias"),
    ("context module 8", "c21h64w64o21k3p8d8+bias"),
    ("context module 16", "c21h64w64o21k3p16d16+bias"),
    ("PSPNet layer3", "c256h60w60o256k3p2d2"),
    ("PSPNet layer4", "c512h60w60o512k3p4d4"),
    ("CSRNet backend first", "c512h48w64o512k3p2d2+bias"),
    ("CSRNet backend", "c512h48w64o256k3p2d2+bias"),
    ("ENet dilated 2", "c32h64w64o32k3p2d2"),
    ("ENet dilated 8", "c32h64w64o32k3p8d8"),
    ("PWC-Net context 2", "c128h96w112o128k3p2d2+bias"),
    ("PWC-Net context 4", "c128h96w112o128k3p4d4+bias"),
    ("RFBNet 3", "c128h38w38o128k3p3d3"),
    ("RFBNet 5", "c128h38w38o128k3p5d5"),
    ("ERFNet 3x1 dilated 2", "c128h64w128o128k3x1p2x0d2x1+bias"),
    ("ERFNet 1x3 dilated 8", "c128h64w128o128k1x3p0x8d1x8+bias"),
    ("MobileNetV2 DeepLab depthwise 2", "c960h14w14o960k3p2d2g960"),
    ("Xception DeepLab ASPP depthwise 6", "c2048h32w32o2048k3p6d6g2048"),
    # 5x5
    ("LeNet-5 C1", "c1h32w32o6k5+bias"),
    ("LeNet-5 C3", "c6h14w14o16k5+bias"),
    ("LeNet-5 C5", "c16h5w5o120k5+bias"),
    ("LeNet-5 C1, padded", "c1h28w28o6k5p2+bias"),
    ("AlexNet conv2", "c64h27w27o192k5p2+bias"),
    ("AlexNet conv2, two groups", "c96h27w27o256k5p2g2+bias"),
    ("GoogLeNet 3a 5x5", "c16h28w28o32k5p2"),
    ("Inception-v3 5b 5x5", "c48h35w35o64k5p2"),
    ("FlowNetS conv2", "c64h192w256o128k5s2p2+bias"),
    ("ESPCN first", "c1h17w17o64k5p2+bias"),
    ("SRCNN third", "c32h25w25o1k5+bias"),
    ("EfficientNet-B0 depthwise 5x5", "c240h28w28o240k5p2g240"),
    ("EfficientNet-B0 depthwise 5x5 s2", "c144h56w56o144k5s2p2g144"),
    ("MobileNetV3 depthwise 5x5", "c120h28w28o120k5p2g120"),
    ("MobileNetV3 depthwise 5x5 s2", "c72h56w56o72k5s2p2g72"),
    # 6x6 and larger
    ("ResNet stem", "c3h224w224o64k7s2p3"),
    ("GoogLeNet stem", "c3h224w224o64k7s2p3+bias"),
    ("FlowNetS conv1", "c6h384w512o64k7s2p3+bias"),
    ("RAFT stem", "c3h368w496o64k7s2p3+bias"),
    ("two-stream flow stem", "c10h224w224o64k7s2p3+bias"),
    ("BiSeNet spatial path", "c3h512w1024o64k7s2p3"),
    ("CornerNet stem", "c3h511w511o128k7s2p3"),
    ("hourglass stem", "c3h256w256o64k7s2p3+bias"),
    ("SqueezeNet 1.0 conv1", "c3h224w224o96k7s2+bias"),
    ("SegFormer patches 1", "c3h224w224o32k7s4p3+bias"),
    ("RAFT flow", "c2h46w62o128k7p3+bias"),
    ("CycleGAN first", "c3h262w262o64k7+bias"),
    ("NASNet-A depthwise 7x7 s2", "c88h28w28o88k7s2p3g88"),
    ("ConvNeXt depthwise", "c96h56w56o96k7p3g96+bias"),
    ("FCN fc6", "c512h7w7o4096k7+bias"),
    ("YOLOv5 stem", "c3h640w640o32k6s2p2"),
    ("DQN first", "c4h84w84o32k8s4+bias"),
    ("SegFormer reduction", "c32h56w56o32k8s8+bias"),
    ("SRCNN first", "c1h33w33o64k9+bias"),
    ("SRGAN first", "c3h24w24o64k9p4+bias"),
    ("CapsNet primary", "c256h20w20o256k9s2+bias"),
    ("AlexNet conv1", "c3h224w224o64k11s4p2+bias"),
    ("ViT-B/16 patches", "c3h224w224o768k16s16+bias"),
    ("RepLKNet depthwise", "c128h56w56o128k31p15g128"),
    # long ones
    ("Inception-v3 6b 1x7", "c128h17w17o128k1x7p0x3"),
    ("Inception-v3 6b 7x1", "c128h17w17o192k7x1p3x0"),
    ("Inception-v3 7b 1x3", "c384h8w8o384k1x3p0x1"),
    ("Inception-v3 7b 3x1", "c384h8w8o384k3x1p1x0"),
    ("ENet asymmetric 5x1", "c32h64w64o32k5x1p2x0"),
    ("RAFT GRU 1x5", "c384h46w62o128k1x5p0x2+bias"),
    ("Deep Speech 2 first", "c1h161w100o32k41x11s2p20x5"),
    ("Deep Speech 2 second", "c32h81w50o32k21x11s2x1p10x5"),
    ("EEGNet temporal", "c1h64w128o8k1x64p0x32"),
    ("EEGNet spatial", "c8h64w129o16k64x1g8"),
    ("EEGNet separable", "c16h1w32o16k1x16p0x8g16"),
    ("TextCNN", "c1h50w300o100k3x300+bias"),
    # 2x2 and 4x4
    ("ConvNeXt patches", "c3h224w224o96k4s4+bias"),
    ("ConvNeXt downsampling", "c96h56w56o192k2s2+bias"),
    ("CRNN last", "c512h2w26o512k2+bias"),
    ("DCGAN discriminator", "c3h64w64o64k4s2p1"),
    ("DCGAN discriminator last", "c512h4w4o1k4"),
    ("PatchGAN", "c256h32w32o512k4p1"),
    ("DQN second", "c32h20w20o64k4s2+bias"),
    # 1x1
    ("ResNet-50 reduce", "c256h56w56o64"),
    ("ResNet-50 expand", "c64h56w56o256"),
    ("ResNet-18 shortcut", "c64h56w56o128s2"),
    ("GoogLeNet 3a pool projection", "c192h28w28o32"),
    ("MobileNetV2 expand", "c16h112w112o96"),
    ("SqueezeNet squeeze", "c96h54w54o16+bias"),
    ("EfficientNet-B0 squeeze and excite", "c32h1w1o8+bias"),
    ("U-Net last", "c64h388w388o2+bias"),
    ("YOLOv3 head", "c1024h13w13o255+bias"),
    # in groups
    ("ResNeXt-50 3x3", "c128h56w56o128k3p1g32"),
    ("ResNeXt-50 3x3 s2", "c256h56w56o256k3s2p1g32"),
    ("RegNetX-200MF 3x3 s2", "c24h112w112o24k3s2p1g3"),
    ("ShuffleNet 1x1", "c240h28w28o60g3"),
    ("MobileNet depthwise", "c32h112w112o32k3p1g32"),
    ("MobileNet depthwise s2", "c64h112w112o64k3s2p1g64"),
    ("Xception depthwise", "c728h19w19o728k3p1g728"),
    ("ShuffleNetV2 depthwise s2", "c24h56w56o24k3s2p1g24"),
)
MAXIMA = (
    ("VGG-16 pool", "c64h224w224k2s2"),
    ("U2-Net pool", "c64h320w320k2s2+ceil"),
    ("SSD pool3", "c256h75w75k2s2+ceil"),
    ("YOLOv3-tiny last pool", "c512h13w13k2"),
    ("CRNN pool", "c256h8w25k2s2x1p0x1"),
    ("Mask R-CNN P6", "c256h25w25s2"),
    ("AlexNet pool", "c64h55w55k3s2"),
    ("SqueezeNet pool", "c96h109w109k3s2+ceil"),
    ("ResNet pool", "c64h112w112k3s2p1"),
    ("GoogLeNet pool, padded", "c64h112w112k3s2p1+ceil"),
    ("GoogLeNet 3a pool", "c192h28w28k3p1"),
    ("GoogLeNet 3a pool, ceil", "c192h28w28k3p1+ceil"),
    ("CenterNet peaks", "c80h128w128k3p1"),
    ("SPP 5", "c512h13w13k5p2"),
    ("SPP 9", "c512h13w13k9p4"),
    ("SPP 13", "c512h13w13k13p6"),
    ("CBAM global maximum", "c64h56w56k56"),
    ("TextCNN over time", "c100h48w1k48x1"),
    ("PointNet over points", "c1024h1w1024k1x1024"),
)
AVERAGES = (
    ("LeNet-5 S2", "c6h28w28k2s2"),
    ("DenseNet transition", "c128h56w56k2s2"),
    ("ResNet-D shortcut", "c256h56w56k2s2+ceil+nopad"),
    ("ResNet last pool", "c2048h7w7k7"),
    ("SqueezeNet last pool", "c1000h13w13k13"),
    ("squeeze and excite", "c72h28w28k28"),
    ("Inception-v3 pool", "c192h35w35k3p1"),
    ("Inception pool, padding not counted", "c192h35w35k3p1+nopad"),
    ("PoolFormer mixer", "c64h56w56k3p1+nopad"),
    ("ShuffleNet shortcut", "c240h28w28k3s2p1"),
    ("NASNet-A pool s2", "c88h28w28k3s2p1+nopad"),
    ("GoogLeNet auxiliary", "c512h14w14k5s3"),
    ("GoogLeNet auxiliary, ceil", "c512h14w14k5s3+ceil"),
    ("Inception-v3 auxiliary", "c768h17w17k5s3"),
    ("PSPNet sixths", "c2048h60w60k10s10"),
    ("EEGNet pool", "c16h1w128k1x4s1x4"),
)


@dataclass(frozen=True)
class Layer:
    """A layer of a network at full size.

    Parameters
    ----------
    name : str
        Of the network and of the layer.
    problem : Problem
        One image in.
    """

    name: str
    problem: Problem


@cache
def layers_of(operator: str) -> tuple[Layer, ...]:
    """The layers of an operator; those of im2col and col2im are convolutions, each kind of window once."""
    if operator in {"im2col", "col2im"}:
        windows: dict[object, Layer] = {}
        for layer in layers_of("conv2d"):
            each = layer.problem
            key = tuple(replace(axis, size=1) for axis in each.axes), 1 in each.size
            windows.setdefault(key, Layer(layer.name, columns_of(each, operator)))
        return tuple(windows.values())
    rows = {"conv2d": CONVOLUTIONS, "max_pool2d": MAXIMA, "avg_pool2d": AVERAGES}[operator]
    return tuple(Layer(name, parse_spec(f"{operator}:{geometry}").problem) for name, geometry in rows)


def columns_of(problem: Problem, operator: str) -> Problem:
    """The problem of a convolution's columns."""
    return Problem(operator=operator, channels=problem.channels, axes=problem.axes)

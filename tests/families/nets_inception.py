"""GoogLeNet and the Inceptions among the classic symbols. A tower is a list of (filters, kernel, stride, pad)."""
import mxnet as mx

import registry
from nets_plain import classify, pool

S = mx.sym
SOURCE = "classic symbol"


class Maker:
    """Layers of one net: how its convolutions are normalised, how its nodes are named, how narrow it is."""

    def __init__(self, width=1, bias=False, **norm):
        self.width, self.bias, self.norm = width, bias, norm

    def conv(self, x, name, filters, kernel=1, stride=1, pad=0, act=True):
        k = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        p = pad if isinstance(pad, tuple) else (pad, pad)
        x = S.Convolution(x, num_filter=max(filters // self.width, 2), kernel=k, stride=(stride, stride), pad=p,
                          no_bias=not self.bias, name=name + "_conv2d")
        if self.norm:
            x = S.BatchNorm(x, name=name + "_batchnorm", **self.norm)
        return S.Activation(x, act_type="relu", name=name + "_relu") if act else x

    def tower(self, x, name, *steps):
        for i, step in enumerate(steps):
            x = self.conv(x, f"{name}_{i}", *step)
        return x

    def join(self, name, *parts):
        return S.Concat(*parts, name=name + "_concat")

    def beside_pool(self, x, name, filters, kind="avg"):
        return self.conv(pool(x, 3, 1, name + "_pool", kind, 1), name + "_proj", filters)


ROW, COLUMN = ((1, 7), 1, (0, 3)), ((7, 1), 1, (3, 0))
FLAT, TALL = ((1, 3), 1, (0, 1)), ((3, 1), 1, (1, 0))


def googlenet(classes=1000, width=1):
    m = Maker(width, bias=True)

    def block(x, name, one, three, five, proj):
        return m.join(name, m.tower(x, name + "_1x1", (one,)), m.tower(x, name + "_3x3", (three[0],), (three[1], 3, 1, 1)),
                      m.tower(x, name + "_5x5", (five[0],), (five[1], 5, 1, 2)), m.beside_pool(x, name, proj, "max"))

    x = pool(m.conv(S.Variable("data"), "conv1", 64, 7, 2, 3), 3, 2, "pool1")
    x = pool(m.tower(x, "conv2", (64,), (192, 3, 1, 1)), 3, 2, "pool3")
    x = block(block(x, "in3a", 64, (96, 128), (16, 32), 32), "in3b", 128, (128, 192), (32, 96), 64)
    x = block(pool(x, 3, 2, "pool4"), "in4a", 192, (96, 208), (16, 48), 64)
    x = block(block(x, "in4b", 160, (112, 224), (24, 64), 64), "in4c", 128, (128, 256), (24, 64), 64)
    x = block(block(x, "in4d", 112, (144, 288), (32, 64), 64), "in4e", 256, (160, 320), (32, 128), 128)
    x = block(pool(x, 3, 2, "pool5"), "in5a", 256, (160, 320), (32, 128), 128)
    x = block(x, "in5b", 384, (192, 384), (48, 128), 128)
    # the window of 7 is the whole map at 224; made global so that other sizes work
    return classify(S.Flatten(S.Pooling(x, kernel=(7, 7), global_pool=True, pool_type="avg", name="pool6"), name="flatten"), classes)


def inception_bn(classes=1000, width=1):
    """An eps that is no usual number, averages that count their padding."""
    m = Maker(width, bias=True, fix_gamma=False, eps=1e-10 + 1e-5, momentum=0.9)

    def same(x, name, one, three, double, proj, kind="avg"):
        return m.join(name, m.tower(x, name + "_1x1", (one,)), m.tower(x, name + "_3x3", (three[0],), (three[1], 3, 1, 1)),
                      m.tower(x, name + "_d3x3", (double[0],), (double[1], 3, 1, 1), (double[1], 3, 1, 1)),
                      m.beside_pool(x, name, proj, kind))

    def smaller(x, name, three, double):
        return m.join(name, m.tower(x, name + "_3x3", (three[0],), (three[1], 3, 2, 1)),
                      m.tower(x, name + "_d3x3", (double[0],), (double[1], 3, 1, 1), (double[1], 3, 2, 1)),
                      pool(x, 3, 2, name + "_pool", "max", 1))

    x = pool(m.conv(S.Variable("data"), "1", 64, 7, 2, 3), 3, 2, "pool_1")
    x = pool(m.tower(x, "2", (64,), (192, 3, 1, 1)), 3, 2, "pool_2")
    x = same(same(x, "3a", 64, (64, 64), (64, 96), 32), "3b", 64, (64, 96), (64, 96), 64)
    x = smaller(x, "3c", (128, 160), (64, 96))
    x = same(same(x, "4a", 224, (64, 96), (96, 128), 128), "4b", 192, (96, 128), (96, 128), 128)
    x = same(same(x, "4c", 160, (128, 160), (128, 160), 128), "4d", 96, (128, 192), (160, 192), 128)
    x = smaller(x, "4e", (128, 192), (192, 256))
    x = same(same(x, "5a", 352, (192, 320), (160, 224), 128), "5b", 352, (192, 320), (192, 224), 128, "max")
    return classify(S.Flatten(pool(x, 7, 1, "global_pool", "avg"), name="flatten"), classes)


def inception_v3(classes=1000, width=1, repeats=4):
    """BatchNorm with every default (fix_gamma, eps 1e-3), kernels of 1x7 and 7x1, an identity in front."""
    m = Maker(width, fix_gamma=True)

    def a(x, name, proj):
        return m.join(name, m.tower(x, name + "_1x1", (64,)), m.tower(x, name + "_5x5", (48,), (64, 5, 1, 2)),
                      m.tower(x, name + "_3x3", (64,), (96, 3, 1, 1), (96, 3, 1, 1)), m.beside_pool(x, name, proj))

    def c(x, name, n):
        return m.join(name, m.tower(x, name + "_1x1", (192,)), m.tower(x, name + "_d7", (n,), (n, *ROW), (192, *COLUMN)),
                      m.tower(x, name + "_q7", (n,), (n, *COLUMN), (n, *ROW), (n, *COLUMN), (192, *ROW)),
                      m.beside_pool(x, name, 192))

    def e(x, name, kind):
        d3, dd3 = m.tower(x, name + "_d3", (384,)), m.tower(x, name + "_dd3", (448,), (384, 3, 1, 1))
        return m.join(name, m.tower(x, name + "_1x1", (320,)), m.conv(d3, name + "_d3a", 384, *FLAT),
                      m.conv(d3, name + "_d3b", 384, *TALL), m.conv(dd3, name + "_dd3a", 384, *FLAT),
                      m.conv(dd3, name + "_dd3b", 384, *TALL), m.beside_pool(x, name, 192, kind))

    x = S.identity(S.Variable("data"), name="id")
    x = pool(m.tower(x, "conv", (32, 3, 2), (32, 3), (64, 3, 1, 1)), 3, 2, "pool")
    x = pool(m.tower(x, "conv_b", (80,), (192, 3)), 3, 2, "pool1")
    for i, proj in enumerate((32, 64, 64)[:repeats]):
        x = a(x, f"mixed_{i}", proj)
    x = m.join("mixed_3", m.conv(x, "mixed_3_3x3", 384, 3, 2), m.tower(x, "mixed_3_d3x3", (64,), (96, 3, 1, 1), (96, 3, 2)),
               pool(x, 3, 2, "mixed_3_pool"))
    for i, n in enumerate((128, 160, 160, 192)[:repeats]):
        x = c(x, f"mixed_{4 + i}", n)
    x = m.join("mixed_8", m.tower(x, "mixed_8_3x3", (192,), (320, 3, 2)),
               m.tower(x, "mixed_8_7x7", (192,), (192, *ROW), (192, *COLUMN), (192, 3, 2)), pool(x, 3, 2, "mixed_8_pool"))
    x = e(e(x, "mixed_9", "avg"), "mixed_10", "max")
    x = S.Pooling(x, kernel=(8, 8), global_pool=True, pool_type="avg", name="global_pool")
    return classify(S.Flatten(x, name="flatten"), classes)


def inception_v4(classes=1000, width=1, repeats=(4, 7, 3)):
    """Names with signs in them, and a last average of 8x8 with padding."""
    m = Maker(width, fix_gamma=True)

    def block_a(x, name):
        return m.join(name, m.beside_pool(x, name, 96), m.tower(x, name + "_1*1", (96,)),
                      m.tower(x, name + "_3*3", (64,), (96, 3, 1, 1)), m.tower(x, name + "_d3*3", (64,), (96, 3, 1, 1), (96, 3, 1, 1)))

    def block_b(x, name):
        return m.join(name, m.beside_pool(x, name, 128), m.tower(x, name + "_1*1", (384,)),
                      m.tower(x, name + "_7*7", (192,), (224, *ROW), (256, *COLUMN)),
                      m.tower(x, name + "_d7*7", (192,), (192, *ROW), (224, *COLUMN), (224, *ROW), (256, *COLUMN)))

    def block_c(x, name):
        b, d = m.tower(x, name + "_3", (384,)), m.tower(x, name + "_d3", (384,), (448, *FLAT), (512, *TALL))
        return m.join(name, m.beside_pool(x, name, 256), m.tower(x, name + "_1*1", (256,)), m.conv(b, name + "_3a", 256, *FLAT),
                      m.conv(b, name + "_3b", 256, *TALL), m.conv(d, name + "_d3a", 256, *TALL), m.conv(d, name + "_d3b", 256, *FLAT))

    x = m.tower(S.Variable("data"), "stem_3*3", (32, 3, 2), (32, 3), (64, 3, 1, 1))
    x = m.join("stem_1", pool(x, 3, 2, "stem_pool_1"), m.conv(x, "stem_4", 96, 3, 2))
    x = m.join("stem_2", m.tower(x, "stem_5", (64,), (96, 3)), m.tower(x, "stem_7", (64,), (64, *COLUMN), (64, *ROW), (96, 3)))
    x = m.join("stem_3", m.conv(x, "stem_11", 192, 3, 2), pool(x, 3, 2, "stem_pool_2"))
    for i in range(repeats[0]):
        x = block_a(x, f"in{i + 1}A")
    x = m.join("re1A", pool(x, 3, 2, "re1A_pool"), m.conv(x, "re1A_3*3", 384, 3, 2),
               m.tower(x, "re1A_d3*3", (192,), (224, 3, 1, 1), (256, 3, 2)))
    for i in range(repeats[1]):
        x = block_b(x, f"in{i + 1}B")
    x = m.join("re1B", pool(x, 3, 2, "re1B_pool"), m.tower(x, "re1B_3*3", (192,), (192, 3, 2)),
               m.tower(x, "re1B_7*7", (256,), (256, *ROW), (320, *COLUMN), (320, 3, 2)))
    for i in range(repeats[2]):
        x = block_c(x, f"in{i + 1}C")
    x = S.Dropout(S.Pooling(x, kernel=(8, 8), pad=(1, 1), pool_type="avg", name="global_avgpool"), p=0.2, name="drop")
    return classify(S.Flatten(x, name="flatten"), classes)


def inception_resnet_v2(classes=1000, width=1, repeats=(10, 20, 9)):
    """Residual branches times a number, convolutions with a bias before BatchNorm, pads that do not fit their kernels."""
    m = Maker(width, bias=True, fix_gamma=True)

    def residual(x, name, channels, scale, towers, act=True):
        mixed = m.join(name, *(m.tower(x, f"{name}_{i}", *t) for i, t in enumerate(towers)))
        up = S.Convolution(mixed, num_filter=channels, kernel=(1, 1), name=name + "_up_conv2d")
        x = x + S.BatchNorm(up, fix_gamma=True, name=name + "_up_batchnorm") * scale
        return S.Activation(x, act_type="relu", name=name + "_relu") if act else x

    def channels_of(*filters):
        return sum(max(f // width, 2) for f in filters)

    x = pool(m.tower(S.Variable("data"), "conv1", (32, 3, 2), (32, 3), (64, 3, 1, 1)), 3, 2, "pool3a")
    x = pool(m.tower(x, "conv3", (80,), (192, 3)), 3, 2, "pool5a")
    x = m.join("5b", m.tower(x, "5b_0", (96,)), m.tower(x, "5b_1", (48,), (64, 5, 1, 2)),
               m.tower(x, "5b_2", (64,), (96, 3, 1, 1), (96, 3, 1, 1)), m.beside_pool(x, "5b", 64))
    n = channels_of(96, 64, 96, 64)
    for i in range(repeats[0]):
        x = residual(x, f"block35_{i}", n, 0.17, (((32,),), ((32,), (32, 3, 1, 1)), ((32,), (48, 3, 1, 1), (64, 3, 1, 1))))
    x = m.join("6a", m.conv(x, "6a_0", 384, 3, 2), m.tower(x, "6a_1", (256,), (256, 3, 1, 1), (384, 3, 2)), pool(x, 3, 2, "6a_pool"))
    n += channels_of(384, 384)
    for i in range(repeats[1]):
        x = residual(x, f"block17_{i}", n, 0.1, (((192,),), ((129,), (160, (1, 7), 1, (1, 2)), (192, (7, 1), 1, (2, 1)))))
    x = m.join("7a", m.tower(x, "7a_0", (256,), (384, 3, 2)), m.tower(x, "7a_1", (256,), (288, 3, 2)),
               m.tower(x, "7a_2", (256,), (288, 3, 1, 1), (320, 3, 2)), pool(x, 3, 2, "7a_pool"))
    n += channels_of(384, 288, 320)
    for i in range(repeats[2] + 1):
        x = residual(x, f"block8_{i}", n, 0.2 if i < repeats[2] else 1.0, (((192,),), ((192,), (224, *FLAT), (256, *TALL))), i < repeats[2])
    x = S.Pooling(m.conv(x, "conv7b", 1536), kernel=(1, 1), global_pool=True, stride=(2, 2), pool_type="avg", name="pool8")
    return classify(S.Dropout(S.Flatten(x, name="flatten"), p=0.2, name="drop"), classes)


registry.add("GoogLeNet", SOURCE, googlenet, (3, 96, 96))
registry.add("Inception-BN", SOURCE, inception_bn, (3, 224, 224))
registry.add("Inception-v3 symbol", SOURCE, inception_v3, (3, 299, 299))
registry.add("Inception-v3 symbol, not square", SOURCE, inception_v3, (3, 107, 139))
registry.add("Inception-v4", SOURCE, inception_v4, (3, 299, 299))
registry.add("Inception-ResNet-v2", SOURCE, inception_resnet_v2, (3, 149, 149))

"""Every term of the pages and its one definition. No streamlit here.

A definition is one or two sentences that stand by themselves, in words a learner has after one lecture on transformers.
"""

from __future__ import annotations

from typing import NamedTuple


class Term(NamedTuple):
    """A term, what it means, and other ways in which it is written (plurals, letters)."""

    name: str
    meaning: str
    also: tuple[str, ...] = ()


TERMS = (
    Term("supervision step", "One pass of the whole recursion, after which the model gives an answer that is compared "
         "with the truth in training. The model may stop after any of them.", ("supervision steps",)),
    Term("recursion step", "Within a supervision step: the memory is refined M times, then the answer once. There are "
         "T of them.", ("recursion steps",)),
    Term("memory iteration", "One update of the memory from patch tokens, answer and memory; M of them come before "
         "each update of the answer.", ("memory iterations", "memory update", "memory updates")),
    Term("answer update", "The update of the answer token from answer and memory alone: the image takes no part in "
         "it.", ("answer updates",)),
    Term("single update", "The smallest thing that can be made to happen. In the player: one update of the memory or "
         "of the answer; no weight changes. In training: one update of the weights, on one batch.",
         ("single updates",)),
    Term("N", "The number of supervision steps."),
    Term("T", "The number of recursion steps in each supervision step."),
    Term("M", "The number of memory iterations in each recursion step."),
    Term("K", "The number of memory tokens."),
    Term("R", "The number of times an SR-ViT applies its layers."),
    Term("x", "The patch tokens: what the image says, as vectors. They do not change."),
    Term("y", "The answer token: the vector from which the class and the halting probability are read."),
    Term("z", "The memory: K vectors that are carried from step to step."),
    Term("patch token", "A small square of the image as a vector. The model sees the image as one such token for each "
         "patch.", ("patch tokens",)),
    Term("answer token", "The vector y that holds the answer so far; classes are read from it.", ("answer tokens",)),
    Term("memory token", "One of K vectors that carry notes from step to step. In most models they belong to no place "
         "in the image; in those for mazes each cell has one of its own.", ("memory tokens",)),
    Term("class token", "The vector of a plain transformer from which the class is read.", ("class tokens",)),
    Term("glimpse", "The few patches that the model may read in one supervision step; all others are hidden from it.",
         ("glimpses",)),
    Term("halting probability", "How likely the model says it is that its answer is right. It may stop when this "
         "exceeds a threshold.", ("halting probabilities",)),
    Term("threshold", "The halting probability above which the model stops: lower saves more steps, higher is more "
         "careful.", ("thresholds",)),
    Term("multiply-adds", "Multiplications followed by an addition: the usual count of a network's work for one "
         "image.", ("multiply-add",)),
    Term("attention", "How strongly one token reads from each of the others: weights between 0 and 1 that sum to 1. "
         "High weight does not mean that the answer depends on it."),
    Term("attention head", "One of several attentions that a layer computes side by side.", ("attention heads",)),
    Term("rollout", "Attention followed through all layers by multiplying the maps, half of each token's own value "
         "kept. A summary of where information could have come from.", ("attention rollout",)),
    Term("attribution", "A number for each patch: how much it contributed to the score of a class, by a stated "
         "method.", ("attributions",)),
    Term("integrated gradients", "An attribution: the gradient of the class score, summed along the way from an empty "
         "image to this one, times the change of each pixel."),
    Term("deletion curve", "The probability of the answer while patches are hidden, those said to matter most first: "
         "the sooner it falls, the better the ranking.", ("deletion curves",)),
    Term("entropy", "How evenly weights or probabilities are spread: 0 when all is on one, highest when all are "
         "alike."),
    Term("KL", "Kullback-Leibler divergence: how far one distribution of probabilities is from another. 0 means that "
         "they are the same.", ("KL divergence",)),
    Term("nats", "The unit of loss, entropy and KL with natural logarithms; one nat is 1.44 bits.", ("nat",)),
    Term("logit", "The score of a class before it is turned into a probability; a higher one is a higher probability.",
         ("logits",)),
    Term("norm", "The length of a vector; also the layer that brings vectors to a common length.", ("norms",)),
    Term("normalisation", "Bringing pixels to the scale the model was trained with: less the mean, over the standard "
         "deviation."),
    Term("loss", "What training makes small: the mean of −log of the probability given to the true class.",
         ("losses",)),
    Term("AUROC", "How well the halting probability tells right answers from wrong ones: 0.5 is guessing, 1 is "
         "perfect."),
    Term("calibration", "Whether stated probabilities come true: of all answers called 80 % likely, are 80 % right?",
         ("calibrated",)),
    Term("calibration error", "The mean distance between the stated probability and the share that was right, over "
         "bins.", ("expected calibration error", "ECE")),
    Term("chance", "Of an accuracy: what guessing gives, one over the number of classes. Of a difference: what "
         "the luck of the draw would give."),
    Term("epoch", "One pass of training through all training images.", ("epochs",)),
    Term("batch", "The images that are shown to the model together before the weights change.", ("batches",)),
    Term("learning rate", "How large a change of the weights is made at each update."),
    Term("gradient", "For each weight, how the loss would change if that weight grew: training goes the other way.",
         ("gradients",)),
    Term("averaged weights", "A running mean of the weights over the last updates (EMA). They are steadier, and are "
         "what is judged and kept.", ("EMA",)),
    Term("training split", "The images that the weights are learned from.", ("training images",)),
    Term("validation", "Images kept apart from training, on which the best weights are chosen.",
         ("validation split", "validation images", "validation accuracy")),
    Term("test split", "Images used once, at the end: only they say how good a model is.", ("test images",
         "test accuracy")),
    Term("seed", "The number that random choices begin with: the same seed draws the same again.", ("seeds",)),
    Term("checkpoint", "A trained model in a folder: its weights, its settings and what it was measured to be worth.",
         ("checkpoints",)),
    Term("parameters", "The numbers that training sets; a recursion uses the same ones again and again."),
    Term("bf16", "Numbers of 16 bits in place of 32: faster on a GPU, a little less exact."),
    Term("ViTRM", "Vision Tiny Recursion Model (arXiv 2603.19503): one small transformer block applied again and again "
         "to image, answer and memory."),
    Term("TRM", "Tiny Recursion Model, for puzzles; ViTRM takes its recursion to images."),
    Term("ViT", "Vision transformer: patches of an image as tokens, read by a stack of layers, each with weights of "
         "its own.", ("plain ViT", "vision transformer")),
    Term("ResNet", "Residual network: a classifier made of convolutions whose layers add to what they are given."),
    Term("SR-ViT", "Soft Mixture-of-Recursions (arXiv 2607.00774): a ViT whose layers are applied R times, each token "
         "mixing the outputs of all R steps."),
    Term("router", "The small layer of an SR-ViT that says, token by token, how much each recursion step counts.",
         ("routers",)),
    Term("mixture", "The weighted mean of the outputs of all recursion steps, with weights from the router.",
         ("soft mixture", "mixtures")),
    Term("residual", "Of a layer: what it adds to its input, which is passed on beside it."),
    Term("saliency", "A map of how much each pixel or patch mattered to an answer, by some method."),
    Term("stage", "A group of layers of an SR-ViT that is applied R times before its outputs are mixed.",
         ("stages",)),
    Term("Spearman", "A correlation of ranks: 1 when two orders agree, 0 when they have nothing to do with each "
         "other.", ("rank correlation",)),
    Term("variance", "How widely values are scattered: the mean of the squared distances from their mean."),
    Term("bootstrap", "Drawing the same number of images again, with repeats, many times: how far a figure would vary "
         "on other images.", ("bootstrapped",)),
    Term("cross-attention", "Attention in which the tokens that read are others than those that are read."),
    Term("cosine", "Of the angle between two vectors: 1 when they point the same way, 0 when they have nothing in "
         "common, −1 when they are opposite."),
    Term("MLP", "Multi-layer perceptron: two layers of weights with a bend between them. It is applied to each "
         "token by itself or, where it mixes tokens, across them."),
    Term("GPU", "A graphics processor: it does many multiplications at once, which makes the training of large models "
         "much faster."),
    Term("CPU", "The ordinary processor of a computer."),
)  # fmt: skip

NOT_TERMS = {  # capitals on the pages that every reader knows, or that are names
    "A", "B", "I", "P", "OK", "URL", "HTML", "CSV", "NPZ", "SVG", "PDF", "ZIP", "PNG", "JPEG", "GIF", "BMP", "TIFF",
    "HEIC", "JSON", "QR", "MB", "GB", "DejaVu", "CIFAR", "MNIST", "EXIF", "ONNX", "RGB", "JavaScript", "MIT",
    "Fashion-MNIST", "UCI", "NASA", "SpaceX", "SE", "CC", "CC0", "BY",  # who made a picture, and under which licence
    "C", "D", "E", "S", "V", "W", "Z",  # keys
}  # fmt: skip


def by_writing() -> dict[str, Term]:
    """Every way in which a term is written, and the term. Raises ValueError where two terms share one."""
    found: dict[str, Term] = {}
    for term in TERMS:
        for writing in (term.name, *term.also):
            if writing in found:
                raise ValueError(f"“{writing}” is defined twice")
            found[writing] = term
    return found

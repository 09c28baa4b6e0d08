"""What the exercises of the chapter *dropout* expect."""

from cnnkit.exercises import Exercise, Function, Numbers


def _moments(y: list[float], w: list[float], p: list[float]) -> list[float]:
    mean = variance = 0.0
    for y_i, w_i, p_i in zip(y, w, p, strict=True):
        mean += p_i * w_i * y_i
        variance += p_i * (1 - p_i) * (w_i * y_i) ** 2
    return [mean, variance]


EXERCISES: dict[int, Exercise] = {
    1: Numbers(
        [4, 1, 8],
        hint="in training multiply each product of weight and input by its xi; at test time all are present "
        "and all weights halved; PyTorch divides by the probability of keeping",
        hints=[
            ([4, 2, 8], "at test time the notes' form scales the weights by p; PyTorch's does not need to"),
            ([4, 2, 2], "PyTorch divides by p in training, and the notes' weights are scaled at test time"),
            ([4, 1, 2], "PyTorch divides by the probability of keeping; it does not multiply"),
            ([4, 1, 4], "the same weights do not give the same net input: PyTorch divides by p in training"),
            ([2, 1, 4], "in training nodes are missing: in this iteration the second one"),
            ([4, 2, 4], "at test time all weights are halved; in training PyTorch divides by p"),
            ([4, 4, 8], "at test time no node is dropped"),
        ],
        tolerance=0.005,
    ),
    2: Numbers(
        [128, 0.4, 4.8],
        hint="count all nodes that may be dropped; a link needs both its ends",
        hints=[
            ([7, 0.4, 4.8], "each of the seven nodes is there or not: two ways for each, and they multiply"),
            ([14, 0.4, 4.8], "the ways to drop or keep seven nodes multiply"),
            ([8, 0.4, 4.8], "the input nodes may be dropped, too"),
            ([24, 0.4, 4.8], "16 ways for the inputs and 8 for the hidden nodes multiply"),
            ([128, 0.8, 9.6], "a link also goes when its upper end is dropped"),
            ([128, 0.5, 6], "a link also goes when its lower end is dropped"),
            ([128, 0.9, 10.8], "a link is there when both its ends are, not when one of them is"),
            ([128, 0.4, 0.4], "there are twelve links, each present with this probability"),
            ([128, 0.4, 12], "twelve links if no node is dropped; the question is the mean"),
            ([4096, 0.4, 4.8], "that is DropConnect: here nodes are dropped, not links"),
        ],
        tolerance=0.005,
    ),
    3: Function(
        _moments,
        cases=[
            ([1.0, 2.0, -1.0], [2.0, -1.0, 3.0], [0.5, 0.5, 0.5]),
            ([1.0, 2.0, 0.5, 1.5], [1.0, -2.0, 4.0, 0.5], [0.8, 0.5, 0.9, 1.0]),
            ([3.0], [2.0], [0.0]),
        ],
        hint="xi_i has the mean p_i and the variance p_i (1 - p_i), and is multiplied by w_i y_i; in the "
        "variance this factor is squared; return [mean, variance]",
    ),
    4: Numbers(
        [0, 1, 1, 1],
        hint="run the function for each of the four, for instance absent_links_move(torch.optim.Adam)",
        hints=[
            ([0, 0, 0, 0], "the gradient of an absent link is zero; but does every step follow it alone?"),
            ([0, 1, 0, 1], "weight decay shrinks every weight in every step, whatever its gradient"),
            ([0, 1, 0, 0], "Adam keeps a mean of earlier gradients, too; and what does weight decay do?"),
            ([0, 1, 1, 0], "Adam keeps a mean of earlier gradients, too"),
            ([0, 0, 1, 0], "momentum goes on in the direction of earlier gradients; Adam as well"),
            ([0, 0, 1, 1], "momentum goes on in the direction of earlier gradients"),
            ([1, 0, 0, 0], "1 stands for moved, 0 for not"),
            ([1, 1, 1, 1], "plain SGD does nothing but subtract the gradient"),
        ],
    ),
    5: Numbers(
        49,
        hint="what is the variance of the mean of many independent numbers, and of many equal ones?",
        hints=[
            (7, "that is the factor of the standard deviations"),
            (1, "single nodes are dropped independently, and errors of opposite sign cancel in the mean"),
            (1 / 49, "the other way round: which of the two averages varies more?"),
        ],
        tolerance=0.005,
    ),
}

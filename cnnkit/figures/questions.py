"""The questions of the quizzes: five for each part of the book, each with one right choice."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    """An answer to choose, and why it is right, or what is wrong with it."""

    text: str
    why: str


@dataclass(frozen=True)
class Question:
    """A question, its choices in the order in which they are shown, and which of them is right, from 0."""

    text: str
    right: int
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class Quiz:
    """The questions of a part of the book."""

    part: str
    questions: tuple[Question, ...]


ONE_DIMENSION = (
    Question(
        "Two rows of 100 nodes are joined by one filter with F = 5, with zeros at the ends and without a "
        "bias. How many weights are there to learn?",
        2,
        (
            Choice(
                "10,000",
                "That is a full layer: one weight for every pair of nodes.",
            ),
            Choice(
                "500",
                "That is a local layer, in which each of the 100 nodes has five weights of its own. It is "
                "also the number of connections, which sharing does not make fewer.",
            ),
            Choice(
                "5",
                "All 100 nodes use the same five weights, each on its own window. The length of the row "
                "does not enter.",
            ),
            Choice(
                "480",
                "That is a local layer without zeros at the ends: 96 windows with five weights each.",
            ),
        ),
    ),
    Question(
        "You shift the input of a convolutional layer with stride 1 by three places. What does its output "
        "do?",
        1,
        (
            Choice(
                "It stays the same.",
                "That would be invariance. The layer says where it finds something, so what it says moves "
                "along. A maximum over the whole row would stay.",
            ),
            Choice(
                "It shifts by three places, except near the ends.",
                "Every place is treated alike, so moving the input moves the output: equivariance. At the "
                "ends zeros come in and values are lost.",
            ),
            Choice(
                "That depends on whether it has seen shifted examples.",
                "It would in a full or a local layer, where each place has weights of its own. With shared"
                " weights it holds for any weights, learned or not.",
            ),
        ),
    ),
    Question(
        "A row of n = 8 nodes, F = 3, S = 2, no padding. What does PyTorch do?",
        2,
        (
            Choice(
                "It raises an error.",
                "The size equation (n′ − 1) · 2 + 3 = 8 has indeed no solution in whole numbers, and this "
                "book's output_size says so. PyTorch rounds down without a word.",
            ),
            Choice(
                "It adds a zero at the end and gives 4 nodes.",
                "PyTorch adds no zeros but those that you ask for. One zero would make the equation hold, "
                "but padding comes on both sides.",
            ),
            Choice(
                "It gives 3 nodes and never reads the last input.",
                "Three windows reach (3 − 1) · 2 + 3 = 7 nodes. Whatever stands in the eighth, the output "
                "is the same.",
            ),
        ),
    ),
    Question(
        "Three convolutional layers with F = 3 and stride 1 stand on each other. How many inputs can a "
        "node of the third see?",
        0,
        (
            Choice(
                "7",
                "An input sees itself, and each layer adds F − 1 = 2: 1 + 2 + 2 + 2 = 7.",
            ),
            Choice(
                "9",
                "That adds 3 for each layer. Neighbouring windows overlap, so a layer adds only F − 1 = 2 "
                "to the one input that a node of layer 0 sees.",
            ),
            Choice(
                "27",
                "There are 3 · 3 · 3 = 27 ways down to the inputs, but many of them end at the same input.",
            ),
            Choice(
                "3",
                "Three are the nodes to which it is connected directly. Each of these sees more than one "
                "input.",
            ),
        ),
    ),
    Question(
        "In training, the thing to recognise always lay on the left. In the test it lies on the right. "
        "Which network can still recognise it?",
        3,
        (
            Choice(
                "Fully connected layers, with enough examples.",
                "The weights on the right have never met the thing. More examples of it on the left do not"
                " change that.",
            ),
            Choice(
                "Shared layers with a linear classifier on top.",
                "The filters find it, but the classifier has other weights for every place, and on the "
                "right these have never met it.",
            ),
            Choice(
                "Local layers without sharing, with a maximum over all places on top.",
                "The maximum does not ask where, but on the right there are other filters, which have "
                "never learned it.",
            ),
            Choice(
                "Shared layers with a maximum over all places on top.",
                "The shared filters answer on the right as they did on the left, and the maximum does not "
                "ask where. Both halves are needed.",
            ),
        ),
    ),
)

IMAGES = (
    Question(
        "A layer with 16 filters of 5 by 5 looks at a colour image with three channels. How many planes "
        "does it make?",
        0,
        (
            Choice(
                "16",
                "Each filter has a slice for each channel, adds up the answers of its slices, and so makes"
                " one plane.",
            ),
            Choice(
                "48",
                "That would keep the three colours apart. But the answers of a filter's three slices are "
                "added.",
            ),
            Choice(
                "3",
                "The number of planes is the number of filters. The channels of the image become the depth"
                " of each filter.",
            ),
        ),
    ),
    Question(
        "And how many weights has this layer, without biases?",
        1,
        (
            Choice(
                "400",
                "That is 16 · 25, one slice for each filter. Each filter needs a slice for each of the "
                "three channels.",
            ),
            Choice(
                "1,200",
                "R C F² = 16 · 3 · 25: 16 filters, 3 slices each, 25 weights a slice.",
            ),
            Choice(
                "1,200 for every place of the output",
                "The places share the weights. That product is the number of multiply-adds.",
            ),
            Choice(
                "One cannot say without the size of the image.",
                "The size decides how many places there are, not how many weights: these are shared.",
            ),
        ),
    ),
    Question(
        "A textbook of signal processing gives you a filter for its convolution. What must you do before "
        "nn.Conv2d gives the same answers with it?",
        2,
        (
            Choice(
                "Nothing: both are convolutions.",
                "They share the word only. PyTorch computes what signal processing calls "
                "cross-correlation, which does not flip the filter.",
            ),
            Choice(
                "Transpose it.",
                "Transposing exchanges rows and columns. The flip reverses the order of the rows and that "
                "of the columns.",
            ),
            Choice(
                "Turn it by 180 degrees.",
                "The textbook's convolution reads the filter backwards along both axes, PyTorch does not. "
                "Turning the filter makes up for it.",
            ),
            Choice(
                "Change the sign of its weights.",
                "That is right only for a filter whose turned copy is its negative, such as the edge mask.",
            ),
        ),
    ),
    Question(
        "In LeNet and in VGG-11, where are most of the parameters, and where is most of the arithmetic?",
        3,
        (
            Choice(
                "Both in the convolutions.",
                "They have the arithmetic. But their weights are shared, so there are few of them.",
            ),
            Choice(
                "Both in the fully connected layers.",
                "They have the parameters. But each of these works only once for an image.",
            ),
            Choice(
                "The parameters in the convolutions, the arithmetic in the fully connected layers.",
                "It is the other way round: multiply-adds are weights times places, and a fully connected "
                "layer has one place.",
            ),
            Choice(
                "The parameters in the fully connected layers, the arithmetic in the convolutions.",
                "A shared weight is stored once and works at every place. A weight of a fully connected "
                "layer is stored once and works once.",
            ),
        ),
    ),
    Question(
        "LeNet was made for images of 28 by 28. You give it one of 56 by 56. Which layer complains?",
        1,
        (
            Choice(
                "The first convolution.",
                "A filter slides over any image that is not smaller than itself. There are only more places.",
            ),
            Choice(
                "The first fully connected layer.",
                "It has a weight for each number of the vector, so its size follows from that of the "
                "image. Written as a convolution it would slide, too.",
            ),
            Choice(
                "The first pooling.",
                "Pooling has no weights, and takes planes of any size.",
            ),
            Choice(
                "None: the image is made smaller.",
                "No layer of PyTorch changes the size of your image unasked.",
            ),
        ),
    ),
)

LEARNING = (
    Question(
        "You add 5 to every score of a classifier. What does softmax make of it?",
        2,
        (
            Choice(
                "The probabilities become more decided.",
                "Multiplying the scores by a number above 1 does that. Adding leaves all differences as "
                "they are.",
            ),
            Choice(
                "All probabilities become larger.",
                "They cannot: their sum is 1.",
            ),
            Choice(
                "The same probabilities.",
                "Every exponential is multiplied by e⁵, which cancels. Only differences of scores count.",
            ),
        ),
    ),
    Question(
        "A classifier of ten classes knows nothing and gives all of them the same score. What is its "
        "cross-entropy loss?",
        1,
        (
            Choice(
                "0.1",
                "That is the probability of the right class. The loss is the negative logarithm of it.",
            ),
            Choice(
                "ln 10, about 2.30",
                "The right class gets the probability 1/10, and −ln(1/10) = ln 10.",
            ),
            Choice(
                "0.9",
                "That is how often it is wrong. The loss asks what probability the right class got: −ln 0.1.",
            ),
            Choice(
                "0",
                "A loss of 0 is for the right class with probability 1.",
            ),
        ),
    ),
    Question(
        "Softmax gives p = (0.1, 0.3, 0.6), and the second class is right. What is the gradient of the "
        "cross-entropy with respect to the scores?",
        0,
        (
            Choice(
                "(0.1, −0.7, 0.6)",
                "It is p − y: what the network said minus what it should have said.",
            ),
            Choice(
                "(−0.1, 0.7, −0.6)",
                "That is y − p, the direction in which a step lowers the loss. The gradient points uphill.",
            ),
            Choice(
                "(0, −1/0.3, 0)",
                "That is the gradient with respect to the probabilities. On the way through softmax the "
                "1/0.3 cancels.",
            ),
            Choice(
                "(0, −0.7, 0)",
                "The wrong classes pay as well: more probability for them is less for the right one.",
            ),
        ),
    ),
    Question(
        "A weight of a filter is used at 24 × 24 places of an image. What is its gradient?",
        3,
        (
            Choice(
                "The mean over the places of error times input",
                "The loss depends on the weight by way of every place, and such ways add up. A mean comes "
                "in only where the loss is a mean over examples.",
            ),
            Choice(
                "576 numbers, one for each place",
                "One weight has one derivative. The 576 numbers are what the places contribute to it.",
            ),
            Choice(
                "Error times input at the place with the largest output",
                "That is how max pooling hands an error on. A shared weight has a say at every place.",
            ),
            Choice(
                "The sum over the places of error times input",
                "A number that is used in several places gets the sum of what comes back from all of them.",
            ),
        ),
    ),
    Question(
        "What does max pooling do with the error that arrives at one of its outputs?",
        2,
        (
            Choice(
                "It spreads it evenly over the window.",
                "That is average pooling, in which every node of the window has the same say.",
            ),
            Choice(
                "It stops it, since it has nothing to learn.",
                "It has no weights, but the layers below it have, and they need the error.",
            ),
            Choice(
                "It gives all of it to the node that was the maximum.",
                "Only this node moves the output, with slope 1. Of equal ones PyTorch takes the first.",
            ),
            Choice(
                "It gives all of it to every node of the window.",
                "A small change of any node but the maximum does not change the output: its slope is 0.",
            ),
        ),
    ),
)

REGULARISATION = (
    Question(
        "Which of these is the same as the decay w ← (1 − αλ) w − α ∂L/∂w?",
        1,
        (
            Choice(
                "Adam with the penalty λ‖w‖²/2 added to the loss",
                "Adam divides the gradient of the penalty, too, by the size of the gradients. AdamW decays"
                " instead.",
            ),
            Choice(
                "Plain gradient descent with the penalty λ‖w‖²/2 added to the loss",
                "The gradient of the penalty is λw, so a step takes αλw off the weight.",
            ),
            Choice(
                "Cutting the weight vector of each node at the length λ",
                "That is the norm constraint. It does nothing to a vector below that length, and decay "
                "shrinks every weight.",
            ),
        ),
    ),
    Question(
        "The notes' dropout has p = 0.8 for a layer. Which PyTorch layer does the same?",
        0,
        (
            Choice(
                "nn.Dropout(0.2)",
                "The notes' p is the probability to keep a node, PyTorch's the probability to drop it.",
            ),
            Choice(
                "nn.Dropout(0.8)",
                "That keeps one node in five: PyTorch's p is the probability to drop.",
            ),
            Choice(
                "nn.Dropout(0.2), and after training multiply the weights by 0.8",
                "That scales twice. PyTorch has already divided the outputs by 0.8 in training.",
            ),
            Choice(
                "nn.Dropout(1.25)",
                "1.25 = 1/0.8 is the factor by which PyTorch scales the outputs that it keeps; p is a "
                "probability.",
            ),
        ),
    ),
    Question(
        "One logistic node with dropout on its inputs, run once with scaled weights: f(E S). What is this "
        "number?",
        2,
        (
            Choice(
                "The mean of its outputs over all sub-networks, exactly",
                "The mean is E f(S). As f is curved, E f(S) and f(E S) are as a rule different numbers.",
            ),
            Choice(
                "The output of the most probable sub-network",
                "With p = ½ all sub-networks are equally probable. f(E S) speaks for all of them.",
            ),
            Choice(
                "The normalised weighted geometric mean of its outputs, exactly",
                "Exact for any probabilities. What is approximate is to take it for the mean.",
            ),
            Choice(
                "That geometric mean, but only approximately",
                "For a logistic node it is exact, however many inputs there are. The approximation is to "
                "take it for the mean.",
            ),
        ),
    ),
    Question(
        "By what does batch normalisation normalise an image at test time?",
        3,
        (
            Choice(
                "The mean and variance of the batch with which it is tested",
                "Then its answer would depend on its companions. That is what training does, and what you "
                "get if you forget eval().",
            ),
            Choice(
                "The mean and variance of the image itself",
                "Then the brightness and contrast of a whole image would always be lost. Training "
                "normalises over the examples of a batch.",
            ),
            Choice(
                "The mean and variance of the last batch in training",
                "One batch is too noisy for that. The averages are taken over many of them.",
            ),
            Choice(
                "Fixed numbers that stand for all training images",
                "The population's statistics, or running averages: constants, so that an answer depends on"
                " its image alone.",
            ),
        ),
    ),
    Question(
        "With a constant step size the loss falls at first, and then goes up and down without falling "
        "further. What is the most likely help?",
        1,
        (
            Choice(
                "Train longer with the same step size.",
                "The noise of the batches keeps the weights moving, at a distance that depends on the step"
                " size and not on the time.",
            ),
            Choice(
                "Let the step size fall.",
                "With step size α the weights keep a distance of the order of √α from the minimum, because"
                " every batch is another. Smaller steps come closer.",
            ),
            Choice(
                "Make the step size larger, to leave a local minimum.",
                "Larger steps move about at a larger distance. The up and down is the noise of the "
                "batches, and they amplify it.",
            ),
        ),
    ),
)

ARCHITECTURES = (
    Question(
        "VGG puts two convolutions of 3 by 3 where one of 5 by 5 could be, with C maps in and out. What "
        "does that change?",
        0,
        (
            Choice(
                "18 C² weights in place of 25 C², and a ReLU more",
                "Both see 5 by 5: 1 + 2 + 2 = 5. Two times 9 C² weights are fewer than 25 C².",
            ),
            Choice(
                "More weights, since there are two layers",
                "Each of the two has 9 C² weights. Together that is 18 C², less than 25 C².",
            ),
            Choice(
                "A smaller field: 3 by 3 in place of 5 by 5",
                "A node of the second layer sees 3 by 3 nodes of the first, and these see 5 by 5 together.",
            ),
            Choice(
                "Nothing but the number of weights: both compute the same",
                "Without the ReLU between them the two would be one convolution of 5 by 5. With it, they "
                "can do what no single filter can.",
            ),
        ),
    ),
    Question(
        "What does a 1 × 1 convolution with 64 filters do to a volume of 256 × 28 × 28?",
        2,
        (
            Choice(
                "It multiplies every plane by a number, nothing more.",
                "Each filter has 256 weights, one for each plane, and adds the 256 products.",
            ),
            Choice(
                "It reduces each plane to a single number.",
                "That is global pooling. The places stay as they are: 28 × 28.",
            ),
            Choice(
                "It makes 64 × 28 × 28 of it: at each place a mixture of the 256 channels.",
                "It is a fully connected layer from 256 to 64 at every place, with the same weights "
                "everywhere.",
            ),
            Choice(
                "It smooths the planes a little.",
                "It cannot: it sees no neighbours of a place.",
            ),
        ),
    ),
    Question(
        "The four branches of an inception block make 64, 128, 32 and 32 maps. How many maps leave the "
        "block?",
        3,
        (
            Choice(
                "128: the branches are added, and smaller ones are filled with zeros.",
                "Adding is what a residual block does. An inception block puts the maps behind each other.",
            ),
            Choice(
                "64: the mean of the four",
                "Nothing is averaged. All maps of all branches go on.",
            ),
            Choice(
                "As many as entered",
                "All branches keep the size of the maps. Their number is that of all filters of the last "
                "layers together.",
            ),
            Choice(
                "256: they are concatenated.",
                "64 + 128 + 32 + 32. This works because all branches keep the size of the maps.",
            ),
        ),
    ),
    Question(
        "After the same budget a very deep plain network has a higher training error than one of half the "
        "depth. What is the matter?",
        1,
        (
            Choice(
                "It overfits, as it has more parameters.",
                "A network that overfits has a low training error, and a higher error on new images.",
            ),
            Choice(
                "Training does not find the weights that would do.",
                "The deeper one could copy the other and let the remaining layers be the identity. "
                "Shortcuts change what training finds.",
            ),
            Choice(
                "It cannot represent what the other one can.",
                "It can: its further layers would only have to be the identity, which plain layers can "
                "represent.",
            ),
            Choice(
                "It has no batch normalisation; with it depth would do no harm.",
                "Plain networks with batch normalisation show the same.",
            ),
        ),
    ),
    Question(
        "AlexNet has about 61 million parameters, GoogLeNet about 7 million. Which of them needs more "
        "multiply-adds for an image?",
        2,
        (
            Choice(
                "AlexNet, about nine times as many",
                "That would be so if each parameter worked equally often. Most of AlexNet's are in fully "
                "connected layers, and work once.",
            ),
            Choice(
                "About equally many, as the images are equally large",
                "It depends on how often each weight works, and that on the layers.",
            ),
            Choice(
                "GoogLeNet",
                "Nearly all its weights are in convolutions and work at many places: 1.6 billion "
                "multiply-adds against 0.7. Parameters and arithmetic are two different costs.",
            ),
        ),
    ),
)

A_CAUTION = (
    Question(
        "A change of the pixels that is too small to see makes a network answer wrongly. How does one find"
        " such a change?",
        1,
        (
            Choice(
                "By random noise of that size",
                "Most random directions hardly move the scores. The direction has to be chosen, and the "
                "gradient chooses it.",
            ),
            Choice(
                "By a step along the gradient of the loss with respect to the pixels",
                "It says for every pixel in which direction the loss grows. Many tiny steps that all agree"
                " add up to a large change of the scores.",
            ),
            Choice(
                "By a small change of the weights",
                "The network stays as it is. The gradient is the same kind of derivative, but with respect"
                " to the image.",
            ),
        ),
    ),
    Question(
        "Of the answers that a network gives with a probability of 90 %, three in four are right. What is "
        "this network?",
        2,
        (
            Choice(
                "Well calibrated: softmax gives probabilities.",
                "Softmax gives numbers that obey the rules of probabilities. Whether they are true is a "
                "question to the data.",
            ),
            Choice(
                "Not confident enough",
                "It claims more than it keeps: 90 % against 75 %.",
            ),
            Choice(
                "Too confident",
                "It claims 90 % and is right in 75 %. Dividing all scores by one number, found on "
                "validation images, often mends most of that and changes no answer.",
            ),
            Choice(
                "Wrong in 15 % of all images",
                "The 15 points are the gap between claim and accuracy. Of these answers, 25 % are wrong.",
            ),
        ),
    ),
    Question(
        "A saliency map shows the derivative of a score with respect to each pixel. At one pixel it is "
        "zero. What follows?",
        3,
        (
            Choice(
                "The network does not use this pixel.",
                "It may in other images, or once the pixel changes by more than a little. The derivative "
                "speaks of this image and of small changes.",
            ),
            Choice(
                "The pixel belongs to the background.",
                "The map shows what moves the score, not what belongs to the object. A flat piece of the "
                "object can have derivative zero.",
            ),
            Choice(
                "Covering the pixel and all around it would not change the score.",
                "Covering is a large change of many pixels, about which the derivative at this image does "
                "not speak.",
            ),
            Choice(
                "A small change of this pixel alone hardly changes the score of this image.",
                "That is all that a derivative says: one pixel, a small change, this image.",
            ),
        ),
    ),
    Question(
        "A network learns its training images with random labels without an error. What does that show?",
        0,
        (
            Choice(
                "It can learn by heart, so a training error of 0 says nothing about new images.",
                "Random labels have no rule, so nothing but learning by heart can give this error.",
            ),
            Choice(
                "It has found a hidden rule in the labels.",
                "There is none: the labels were drawn by chance. On new images it will be right as often "
                "as a guess.",
            ),
            Choice(
                "With true labels it will be useless on new images, too.",
                "The same network with true labels can do well on new images. That it can learn by heart "
                "does not mean that this is all it does.",
            ),
        ),
    ),
    Question(
        "On 1,000 test images one run of recipe A is right in 97.2 %, one run of recipe B in 97.5 %. What "
        "can you say?",
        2,
        (
            Choice(
                "B is better, by 0.3 points.",
                "That is three images. Another seed, or another thousand images, may well turn it round.",
            ),
            Choice(
                "Nothing, until both have run with the same seed.",
                "One seed, shared or not, shows no spread. It takes several seeds, compared pair by pair, "
                "and the error of the test set besides.",
            ),
            Choice(
                "Not which is better: the error of each number is larger than the difference.",
                "The standard error of each is about √(0.97 · 0.03 / 1000) = 0.5 points, and the spread "
                "over seeds comes on top.",
            ),
            Choice(
                "That A and B are equally good",
                "A difference that does not show may still be there. More test images and more seeds can "
                "find it.",
            ),
        ),
    ),
)

QUIZZES = {
    "one-dimension": Quiz("One dimension", ONE_DIMENSION),
    "images": Quiz("Images", IMAGES),
    "learning": Quiz("Learning", LEARNING),
    "regularisation": Quiz("Regularisation", REGULARISATION),
    "architectures": Quiz("Architectures", ARCHITECTURES),
    "a-caution": Quiz("A caution", A_CAUTION),
}

"""The two losses of Eq. 5, against numbers worked out by hand."""

import math

import torch

from vitrm.losses import accuracy, classification_loss, halting_loss, halting_target


def test_equal_logits_cost_the_logarithm_of_the_number_of_classes(close):
    close(classification_loss(torch.zeros(4, 10), torch.arange(4)), math.log(10))


def test_classification_loss_is_minus_the_log_probability_of_the_label(close):
    logits = torch.tensor([[math.log(3.0), 0.0], [0.0, math.log(7.0)]])  # probabilities 3/4, 1/4 and 1/8, 7/8
    expected = -(math.log(1 / 4) + math.log(7 / 8)) / 2
    close(classification_loss(logits, torch.tensor([1, 1])), expected)


def test_one_hot_targets_cost_what_their_labels_cost(close):
    logits, labels = torch.randn(5, 3), torch.tensor([0, 1, 2, 1, 0])
    onehot = torch.eye(3)[labels]
    close(classification_loss(logits, labels), classification_loss(logits, onehot))
    close(classification_loss(logits, labels, 0.1), classification_loss(logits, onehot, 0.1))


def test_mixed_targets_cost_the_mixture_of_both_labels(close):
    logits = torch.tensor([[math.log(3.0), 0.0]])
    expected = -(0.3 * math.log(3 / 4) + 0.7 * math.log(1 / 4))
    close(classification_loss(logits, torch.tensor([[0.3, 0.7]])), expected)


def test_label_smoothing_spreads_its_share_over_all_classes(close):
    logits = torch.tensor([[math.log(3.0), 0.0]])  # smoothing 0.2 makes the target 0.9, 0.1
    expected = -(0.9 * math.log(3 / 4) + 0.1 * math.log(1 / 4))
    close(classification_loss(logits, torch.tensor([0]), 0.2), expected)


def test_halting_target_is_whether_the_prediction_is_right():
    logits = torch.tensor([[2.0, 1.0], [2.0, 1.0], [0.0, 1.0]])
    assert halting_target(logits, torch.tensor([0, 1, 1])).tolist() == [1.0, 0.0, 1.0]


def test_halting_target_of_mixed_labels_is_the_share_of_the_predicted_class():
    logits = torch.tensor([[2.0, 1.0], [2.0, 1.0], [0.0, 1.0]])
    shares = torch.tensor([[0.25, 0.75], [1.0, 0.0], [0.25, 0.75]])
    assert halting_target(logits, shares).tolist() == [0.25, 1.0, 0.75]


def test_halting_loss_is_binary_cross_entropy_against_that_target(close):
    logits = torch.tensor([[2.0, 1.0], [2.0, 1.0]])
    halt_logit = torch.tensor([math.log(3.0), math.log(3.0)])  # probability 3/4; right, then wrong
    expected = -(math.log(3 / 4) + math.log(1 / 4)) / 2
    close(halting_loss(halt_logit, logits, torch.tensor([0, 1])), expected)


def test_halting_loss_gives_the_classifier_head_no_gradient():
    logits = torch.randn(4, 3, requires_grad=True)
    halt_logit = torch.randn(4, requires_grad=True)
    halting_loss(halt_logit, logits, torch.tensor([0, 1, 2, 0])).backward()
    assert logits.grad is None
    assert halt_logit.grad.abs().min() > 0


def test_halting_loss_survives_extreme_logits():
    logits = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    loss = halting_loss(torch.tensor([200.0, -200.0]), logits, torch.tensor([0, 1]))  # sure and right, twice
    assert float(loss) == 0.0


def test_accuracy_counts_right_predictions_and_shares_of_mixed_labels():
    logits = torch.tensor([[2.0, 1.0], [2.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    assert float(accuracy(logits, torch.tensor([0, 1, 1, 1]))) == 0.75
    assert float(accuracy(logits, torch.tensor([[0.5, 0.5], [1.0, 0.0], [1.0, 0.0], [0.75, 0.25]]))) == 0.4375

"""What training borrows of its process, it gives back: random numbers, number formats, signals."""

import contextlib
import os
import random
import signal
import threading

import pytest
import torch

from cnnkit import process
from tests import operators

CPU = torch.device("cpu")


def states():
    return random.getstate(), torch.get_rng_state().tolist()


def draws():
    return random.random(), torch.rand(3).tolist()


def test_the_seed_decides_all_random_numbers():
    with process.own_random_numbers(CPU):
        process.seed(CPU, 2**62 + 1)
        first = draws()
        process.seed(CPU, 2**62)
        assert draws() != first
        process.seed(CPU, 2**62 + 1)
        assert draws() == first


@pytest.mark.gpu
@operators.needs_gpu
def test_the_seed_decides_the_random_numbers_of_the_gpu():
    gpu = torch.device("cuda")
    before = torch.cuda.get_rng_state()
    with process.own_random_numbers(gpu):
        process.seed(gpu, 5)
        first = torch.rand(3, device=gpu)
        process.seed(gpu, 5)
        assert torch.equal(torch.rand(3, device=gpu), first)
    assert torch.equal(torch.cuda.get_rng_state(), before)


def test_the_callers_random_numbers_are_left_as_they_were():
    before = states()
    with process.own_random_numbers(CPU):
        process.seed(CPU, 3)
        draws()
    assert states() == before


def test_the_callers_random_numbers_come_back_after_an_error():
    before = states()
    with contextlib.suppress(ZeroDivisionError), process.own_random_numbers(CPU):
        process.seed(CPU, 3)
        draws()
        raise ZeroDivisionError
    assert states() == before


@pytest.mark.parametrize("on", [True, False])
def test_tf32_is_set_and_put_back(on):
    def flags():
        return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32

    before = flags()
    with contextlib.suppress(ZeroDivisionError), process.tf32(on):
        assert flags() == (on, on)
        assert torch.get_float32_matmul_precision() == ("high" if on else "highest")
        raise ZeroDivisionError
    assert flags() == before


# ----------------------------------------------------------------------------- signals
@pytest.fixture
def heard():
    """Signals that reach the handlers which the caller had installed."""
    numbers = []
    before = {
        number: signal.signal(number, lambda number, frame: numbers.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    yield numbers
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_collected_the_second_goes_to_the_caller(number, heard):
    with process.signals() as received:
        assert received == []
        os.kill(os.getpid(), number)
        assert (received, heard) == ([number], [])
        os.kill(os.getpid(), number)
        assert (received, heard) == ([number], [number])
    os.kill(os.getpid(), number)
    assert (received, heard) == ([number], [number, number])


def test_another_signal_is_still_collected(heard):
    with process.signals() as received:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
    assert (received, heard) == ([signal.SIGTERM, signal.SIGINT], [])


def test_handlers_come_back_after_an_error(heard):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with contextlib.suppress(ZeroDivisionError), process.signals():
        assert signal.getsignal(signal.SIGTERM) != before[1]
        raise ZeroDivisionError
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_in_another_thread_signals_stay_with_the_caller(heard):
    found = []

    def work():
        with process.signals() as received:
            found.append((received, signal.getsignal(signal.SIGTERM)))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [([], before)]

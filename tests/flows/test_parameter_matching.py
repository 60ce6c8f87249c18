"""Placing is one to one, or every fault is told."""

from flows.parameter_matching import place

WANTED = {"a": [(2, 3), (2, 3, 1)], "b": [(4,)]}
PATHS = {"A": "a", "A2": "a", "B": "b", "note": ""}


def test_each_array_has_its_place():
    names, faults = place({"A": (2, 3), "B": (4,), "note": ()}, WANTED, PATHS.get)
    assert (names, faults) == ({"a": ["A"], "b": ["B"]}, [])


def test_any_of_the_accepted_shapes_will_do():
    _, faults = place({"A": (2, 3, 1), "B": (4,)}, WANTED, PATHS.get)
    assert faults == []


def test_several_arrays_of_a_parameter_are_all_named():
    names, faults = place({"A": (2, 3), "B": (4,), "A2": (2, 3)}, WANTED, PATHS.get)
    assert (names, faults) == ({"a": ["A", "A2"], "b": ["B"]}, [])


def test_every_fault_is_told():
    elsewhere = PATHS | {"C": "c"}
    _, faults = place({"A": (3, 2), "C": (1,), "D": (1,)}, WANTED, elsewhere.get)
    assert faults == [
        "A: shape (3, 2), expected (2, 3)",
        "C: no parameter has this name",
        "D: no parameter has this name",
        "b: no array fills this parameter",
    ]

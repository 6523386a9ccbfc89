"""Speed and size, measured as ratios against ceilings of the same run; never part of the tests."""

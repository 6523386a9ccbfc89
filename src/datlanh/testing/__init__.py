"""What a pack or a province tests with: the simulation, the scenario player, the pytest plugin.

Everything here sends through the doors of real stations; nothing reaches behind them.
"""

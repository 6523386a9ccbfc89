"""The pytest plugin that a pack or a province tests with: it collects `scenarios/*.yaml`."""

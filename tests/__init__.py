"""The tests: a folder for each folder of the program; `measure/` holds what measures and asserts nothing."""

"""The sections of a recipe that fill a file of their own; `zoo.recipes` puts them together."""

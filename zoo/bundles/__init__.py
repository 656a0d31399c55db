"""Bundles: what they hold, whether it is intact, and how it becomes a model.

    integrity   SHA-256, checked when a file is first opened and remembered while the file stays as it is
    index       the list of weights with the hash and size of every file
    format      a bundle as an object that gives checked files
    load        a bundle -> a model
    check       whether what a bundle says about itself is complete and true
    record      what a created model knows about itself
    write       a trained model -> a bundle
    card        the model card

Needs only torch, safetensors and the standard library, so that `torch.hub.load` works where nothing else is installed.
"""

"""torch.hub entry points: every registered model, with the signature of `zoo.create` less the name.

torch.hub.load(repo, "mnist_mlp", pretrained=True)
"""

import inspect as _inspect

import zoo as _zoo
from zoo import registry as _registry

dependencies = ["torch", "safetensors"]


def _entry(name):
    def entry(**arguments):
        return _zoo.create(name, **arguments)

    model, signature = _registry.get(name), _inspect.signature(_zoo.create)
    entry.__name__ = entry.__qualname__ = name
    entry.__doc__ = f"{model.description} ({model.source}).\n\n{_inspect.getdoc(_zoo.create)}"
    entry.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])
    return entry


# A plug-in's model that has no name for an entry point, such as my-net, or one that is taken above, is left out.
for _name in _registry.names():
    if _name.isidentifier() and not _name.startswith("_") and _name not in globals():
        globals()[_name] = _entry(_name)

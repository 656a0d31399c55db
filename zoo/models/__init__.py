"""The models, one file a family. Importing this package registers them all."""

from zoo.models import charlm, cnn, embed, forecast, mlp, multitask, resnet, rnn, table, tagger, text  # noqa: F401
